"""From options to a workspace: what every front end (command line, Python API) needs before a use case begins."""
