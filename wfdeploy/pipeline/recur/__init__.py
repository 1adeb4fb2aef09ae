"""Recurring groups: which of their instances are due."""
