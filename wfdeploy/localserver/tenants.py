"""The users of the development server: separate tenants with published credentials.

Source: Upstash documentation, "Local development" (QStash development server); the keys are also constants of the SDKs.
These are no secrets: they work on local development servers only. The read-only tokens are this server's own: the
hosted service has that kind of token, its development server does not.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tenant:
    name: str
    token: str
    current_key: str
    next_key: str

    @property
    def read_only_token(self) -> str:
        """May look at everything of its user, and change nothing."""
        return base64.b64encode(f'{{"UserID":"{self.name}","Password":"readOnly"}}'.encode()).decode()


DEFAULT_TENANT = Tenant(
    "defaultUser",
    "eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0=",
    "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r",
    "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs",
)

TENANTS: tuple[Tenant, ...] = (
    DEFAULT_TENANT,
    Tenant(
        "testUser1",
        "eyJVc2VySUQiOiJ0ZXN0VXNlcjEiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
        "sig_7GVPjvuwsfqF65iC8fSrs1dfYruM",
        "sig_5NoELc3EFnZn4DVS5bDs2Nk4b7Ua",
    ),
    Tenant(
        "testUser2",
        "eyJVc2VySUQiOiJ0ZXN0VXNlcjIiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
        "sig_6jWGaWRxHsw4vMSPJprXadyvrybF",
        "sig_7qHbvhmahe5GwfePDiS5Lg3pi6Qx",
    ),
    Tenant(
        "testUser3",
        "eyJVc2VySUQiOiJ0ZXN0VXNlcjMiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
        "sig_5T8FcSsynBjn9mMLBsXhpacRovJf",
        "sig_7GFR4YaDshFcqsxWRZpRB161jguD",
    ),
)

_BY_NAME = {tenant.name: tenant for tenant in TENANTS}


def find(name: str) -> Tenant | None:
    return _BY_NAME.get(name)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whoever came with a token."""

    tenant: Tenant
    reads_only: bool = False


def by_token(token: str) -> Bearer | None:
    for tenant in TENANTS:
        for mine, reads_only in ((tenant.token, False), (tenant.read_only_token, True)):
            if hmac.compare_digest(mine.encode(), token.encode()):
                return Bearer(tenant, reads_only)
    return None
