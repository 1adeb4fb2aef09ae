"""What leaves the server, when, and what the answer leads to."""
