"""Turn manifests, state and the server's listing into a plan."""
