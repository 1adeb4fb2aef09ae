"""The versions of fingerprints; apart from how they are made, which few commands need."""

CURRENT = 1
"""The version that new fingerprints get."""

WITH_OWN_ID = 2
"""The version for runs whose author gave them a workflow run id."""
