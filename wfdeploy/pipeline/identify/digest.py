"""The digest that identities are made of."""

from __future__ import annotations

from base64 import b32encode
from hashlib import sha256

LENGTH = 26
"""Characters of a digest: 130 bits of SHA-256 in lower-case base32 (RFC 4648). Collisions stay out of reach, a
workflow run id that holds two of them stays readable, and an id carries its fingerprint whole, so that a lost state
can be read back from the ids that the server lists."""


def digest(data: bytes) -> str:
    """The first 130 bits of the SHA-256 of `data`: 26 characters of `a-z2-7`."""
    return b32encode(sha256(data).digest()[:17])[:LENGTH].decode().lower()
