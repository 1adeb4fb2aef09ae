"""Rows of data files, one after the other: a file of a million rows is never held as a whole."""
