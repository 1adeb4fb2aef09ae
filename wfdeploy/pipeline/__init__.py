"""The stages, each a verb: load, validate, expand, identify, diff, apply. They never import one another."""
