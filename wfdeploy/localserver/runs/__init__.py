"""What is asked of a run: options, limits and times in text, what it waits for, and how it is begun again."""
