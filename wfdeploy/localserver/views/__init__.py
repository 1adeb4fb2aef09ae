"""What the API shows of runs and steps, and by which filters they are found."""
