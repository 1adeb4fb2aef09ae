"""The command line. Modules here are imported when a command needs them, so that start-up stays small."""
