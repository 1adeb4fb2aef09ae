"""The digest that identities are made of, and the versions of fingerprints."""

from __future__ import annotations

from hashlib import sha256

CURRENT = 1
"""The version that new fingerprints get."""

WITH_OWN_ID = 2
"""The version for runs whose author gave them a workflow run id."""


LENGTH = 26
"""Characters of a digest: 130 bits of SHA-256 in lower-case base32 (RFC 4648). Collisions stay out of reach, a
workflow run id that holds two of them stays readable, and an id carries its fingerprint whole, so that a lost state
can be read back from the ids that the server lists."""

_LETTERS = bytes(b"abcdefghijklmnopqrstuvwxyz234567"[code & 31] for code in range(256))


def _split(width: int) -> tuple[int, int, int]:
    """Groups of `2 * width` bits, of 160 in all, lie as far apart as they would with a byte for each five. What pulls
    each apart into two: the masks of the lower and the upper halves, and by how much these go up."""
    low = sum(((1 << width) - 1) << start for start in range(0, 256, 16 * width // 5))
    return low, low << width, 3 * width // 5


_SPLITS = [_split(width) for width in (80, 40, 20, 10, 5)]


def digest(data: bytes) -> str:
    """The first 130 bits of the SHA-256 of `data`: 26 characters of `a-z2-7`."""
    # Two and a half times as fast as `base64.b32encode`, which is written in Python too.
    number = int.from_bytes(sha256(data).digest()[:20])
    for low, high, up in _SPLITS:
        number = number & low | (number & high) << up
    return number.to_bytes(32)[:LENGTH].translate(_LETTERS).decode()
