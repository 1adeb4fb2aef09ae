"""The rules of runs: their options, limits and durations, waiting, and retrying from the dead-letter queue."""
