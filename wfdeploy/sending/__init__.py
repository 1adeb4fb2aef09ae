"""Carry changes out: intents before requests, outcomes before the next decision, lost answers looked up.

The rules, and why they hold, stand in `docs/guarantees.md`.
"""
