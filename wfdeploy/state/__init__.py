"""Where a state is kept: the SQLite store, its lock, its text form."""
