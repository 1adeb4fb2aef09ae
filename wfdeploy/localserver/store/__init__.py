"""The server's SQLite database."""
