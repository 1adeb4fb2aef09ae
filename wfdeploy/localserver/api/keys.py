"""The paths of the signing keys.

Source: Upstash Workflow REST reference, "Signing Keys".
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from wfdeploy.localserver.api.services import Services, tenant_of
from wfdeploy.localserver.api.trigger import json_response
from wfdeploy.localserver.tenants import Tenant


class KeysApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def get(self, request: Request) -> Response:
        """`GET /v2/keys`: by the default user's keys the JavaScript SDK recognises a development server."""
        return _shown(self._services.keyring.tenant(tenant_of(request).name))

    async def rotate(self, request: Request) -> Response:
        """`POST /v2/keys/rotate`: the next key becomes the current one."""
        return _shown(self._services.keyring.rotate(tenant_of(request).name))


def _shown(tenant: Tenant) -> Response:
    return json_response({"current": tenant.current_key, "next": tenant.next_key})
