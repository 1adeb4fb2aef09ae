"""A state that many machines share: the log of its commits in one place, and a replica of it on each machine."""
