"""`Upstash-Signature`: how an endpoint knows that a delivery is genuine.

Source: QStash documentation, "Signature verification"; the SDK receivers require `iss`, `sub`, `exp`, `nbf`.
"""

from __future__ import annotations

import base64
import hashlib
import uuid

import jwt

LIFETIME_S = 300


def sign(*, key: str, url: str, body: bytes, now_s: int) -> str:
    """A JWT over `body` for `url`, signed with the signing key's own characters (the `sig_` prefix included)."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode()
    claims = {
        "iss": "Upstash",
        "sub": url,
        "iat": now_s,
        "nbf": now_s,
        "exp": now_s + LIFETIME_S,
        "jti": f"jwt_{uuid.uuid4().hex}",
        "body": digest,
    }
    return jwt.encode(claims, key, algorithm="HS256")
