"""Deliveries: when they leave, what they carry, and what follows from the answer."""
