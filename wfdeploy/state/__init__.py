"""Where a state is kept: the SQLite store, its lock, its text form."""

VERSION = 12
"""The version of the format, which `schema.py` upgrades older states to."""
