"""The public Python API: a project, the operations on it, and the values that they give. Imported as `wfdeploy`."""
