"""How fast the embedded server is, and what it keeps in memory: `python -m benchmarks.server`."""
