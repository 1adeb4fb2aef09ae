"""The users of the development server (tenants), their published credentials and signing keys, and shell exports.

Source: Upstash documentation, "Local development" (QStash development server); the keys are also constants in the SDKs.
They are no secrets: they only work on local development servers. The read-only tokens are this server's own; the hosted
service has such tokens, its development server does not.

Source of the rotation: Upstash Workflow REST reference, "Signing Keys": the next key becomes the current one, and a new
next key is made. After that the JavaScript SDK no longer recognises a development server by itself (`QSTASH_DEV`),
since it looks for the published keys.
"""

from __future__ import annotations

import base64
import hmac
import json
import sqlite3
from dataclasses import dataclass, replace

from wfdeploy.localserver.store.database import transaction
from wfdeploy.localserver.store.records import new_signing_key


@dataclass(frozen=True, slots=True)
class Tenant:
    name: str
    token: str
    current_key: str
    next_key: str

    @property
    def read_only_token(self) -> str:
        """A token that may read everything of its user and change nothing."""
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
    """The owner of a request's token."""

    tenant: Tenant
    reads_only: bool = False


def by_token(token: str) -> Bearer | None:
    for tenant in TENANTS:
        for mine, reads_only in ((tenant.token, False), (tenant.read_only_token, True)):
            if hmac.compare_digest(mine.encode(), token.encode()):
                return Bearer(tenant, reads_only)
    return None


@dataclass(slots=True)
class SigningKeys:
    """The tenants with their current keys; rotated keys are kept in the database."""

    connection: sqlite3.Connection
    _tenants: dict[str, Tenant]

    @classmethod
    def load(cls, connection: sqlite3.Connection) -> SigningKeys:
        found = {tenant.name: tenant for tenant in TENANTS}
        for name, tenant in list(found.items()):
            row = connection.execute("SELECT value FROM meta WHERE name = ?", (f"keys:{name}",)).fetchone()
            if row is not None:
                current, following = json.loads(row[0])
                found[name] = replace(tenant, current_key=current, next_key=following)
        return cls(connection, found)

    def tenant(self, name: str) -> Tenant:
        return self._tenants[name]

    def rotate(self, name: str) -> Tenant:
        old = self._tenants[name]
        new = replace(old, current_key=old.next_key, next_key=new_signing_key())
        kept = json.dumps([new.current_key, new.next_key])
        with transaction(self.connection):
            self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"keys:{name}", kept))
        self._tenants[name] = new
        return new


def environment(url: str, tenant: Tenant = DEFAULT_TENANT) -> dict[str, str]:
    """The environment variables that the official SDKs read, for an application that uses this server."""
    return {
        "QSTASH_URL": url,
        "QSTASH_TOKEN": tenant.token,
        "QSTASH_CURRENT_SIGNING_KEY": tenant.current_key,
        "QSTASH_NEXT_SIGNING_KEY": tenant.next_key,
    }


def exports(url: str, tenant: Tenant = DEFAULT_TENANT) -> str:
    """The variables of `environment` as lines for a POSIX shell."""
    return "\n".join(f"export {name}='{value}'" for name, value in environment(url, tenant).items())


def sdk_switch(url: str) -> str:
    """The line for a POSIX shell that is enough for the JavaScript SDK."""
    port = url.rpartition(":")[2]
    return "export QSTASH_DEV=true" if port == "8080" else f"export QSTASH_DEV=true QSTASH_DEV_PORT={port}"


def banner(
    *,
    url: str,
    demo_url: str | None = None,
    database: str | None = None,
    tenant: Tenant = DEFAULT_TENANT,
    time_scale: float = 1.0,
    plan: str | None = None,
) -> str:
    """The text printed at the start, without a trailing newline. Its credentials are public and work nowhere else."""
    lines = [f"wfdeploy dev: a local Upstash Workflow server at {url}"]
    lines.append(f"  web page: {url}/")
    lines.append(f"  runs are kept in {database}" if database else "  runs are kept in memory")
    if time_scale != 1.0:
        lines.append(f"  time runs {time_scale:g} times as fast")
    if plan is not None:
        lines.append(f"  limits: those of the hosted service's plan {plan}")
    if demo_url:
        lines.append(f"  demo workflow: {demo_url}/demo/<any name>")
    lines += ["", "For your application (the official SDKs read these):", "", exports(url, tenant)]
    lines += [
        "",
        "or, for the JavaScript SDK alone:",
        "",
        sdk_switch(url),
        "",
        "A development server: not for production. Ctrl-C stops it.",
    ]
    return "\n".join(lines)
