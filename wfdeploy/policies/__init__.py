"""Policies: evaluate the expressions of a project and of its operator, in a process of their own."""
