"""What is wrong with documents, and with the runs that they declare."""
