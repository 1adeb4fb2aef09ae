"""The project file: found, read, checked, merged with an environment, held to what the operator permits."""
