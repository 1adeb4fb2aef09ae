"""Values to text: pure functions that return strings (or lines of one). Nothing here writes or asks the clock."""
