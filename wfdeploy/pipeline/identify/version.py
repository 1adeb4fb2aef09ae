"""The version of fingerprints; apart from how they are made, which few commands need."""

CURRENT = 1
"""The version that new fingerprints get."""
