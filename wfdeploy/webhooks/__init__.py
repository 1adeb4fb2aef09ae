"""Deliver notifications to webhooks, over HTTP."""
