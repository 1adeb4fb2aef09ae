"""Carry changes out: intents before requests, outcomes before the next decision, lost answers looked up.

`docs/guarantees.md` has the rules, and why they hold.
"""
