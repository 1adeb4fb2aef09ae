"""Ask the server which runs it knows, and match them with addresses."""
