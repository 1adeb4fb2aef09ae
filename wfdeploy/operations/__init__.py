"""Use cases: what a command asks for, as functions that know nothing of a command line."""
