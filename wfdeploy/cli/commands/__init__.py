"""One module per command, imported when that command runs or when its help is shown."""
