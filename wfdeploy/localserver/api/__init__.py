"""The API: one class of request handlers for each part, the acceptance of new work, and the JSON of runs and events."""
