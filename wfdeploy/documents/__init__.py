"""YAML files into documents of plain data with positions, strictly, and checked against their JSON Schema."""
