"""Second stage: what is wrong with documents, and with the runs they declare."""
