"""Values that the rooms pass along. No I/O, no third parties."""
