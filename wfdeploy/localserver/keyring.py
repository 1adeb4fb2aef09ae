"""The signing keys in use: the published ones, until somebody rotates them.

Source: Upstash Workflow REST reference, "Signing Keys": the next key becomes the current one, and a new next one is
made. After that the JavaScript SDK no longer takes this for a development server by itself (`QSTASH_DEV`), since it
looks for the published keys.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, replace

from wfdeploy.localserver.store.database import transaction
from wfdeploy.localserver.store.ids import new_signing_key
from wfdeploy.localserver.tenants import TENANTS, Tenant


@dataclass(slots=True)
class Keyring:
    """Tenants as they are now; rotated keys are kept in the database."""

    connection: sqlite3.Connection
    _tenants: dict[str, Tenant]

    @classmethod
    def load(cls, connection: sqlite3.Connection) -> Keyring:
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
