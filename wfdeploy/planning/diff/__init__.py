"""Compare desired runs with recorded ones: a pure function, at most one change for each address."""
