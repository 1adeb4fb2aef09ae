"""First stage: files into documents of plain data, strictly."""
