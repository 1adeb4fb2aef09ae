"""Which runs must wait: for other groups, for the steps of a rollout, for the time of a schedule."""
