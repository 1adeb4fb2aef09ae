"""The users of the development server: separate tenants with published credentials.

Source: Upstash documentation, "Local development" (QStash development server); the keys are also constants of the SDKs.
These are no secrets: they work on local development servers only.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tenant:
    name: str
    token: str
    current_key: str
    next_key: str


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


def by_token(token: str) -> Tenant | None:
    for tenant in TENANTS:
        if hmac.compare_digest(tenant.token.encode(), token.encode()):
            return tenant
    return None
