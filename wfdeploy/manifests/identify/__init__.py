"""What makes a run itself: the canonical form of its request, its fingerprint, its workflow run id."""
