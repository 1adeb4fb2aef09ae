"""Manifest files: validated, expanded into runs, identified, and read again only where they changed."""
