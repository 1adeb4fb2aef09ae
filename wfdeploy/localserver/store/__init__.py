"""What the server keeps, in SQLite."""
