"""Values to text: pure functions that return strings or their lines. Nothing here writes, or reads the clock."""
