"""YAML files into documents of plain data with positions, strictly; and what JSON Schema says of them."""
