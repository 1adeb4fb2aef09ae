"""The HTML of the page, and the headers that keep it to itself.

The page holds the token of the default user. That is published, and of use on this machine only; still nobody else is
to work through the page: a web site cannot read it (no CORS, and the gate refuses names that were made to point here),
put it into a frame, or have it run anything that is not among its own files.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib import resources
from typing import Any

from wfdeploy.localserver.banner import exports, sdk_switch
from wfdeploy.localserver.tenants import Tenant


class Document:
    """`index.html`, filled in."""

    def __init__(self) -> None:
        text = resources.files(__package__).joinpath("assets/index.html").read_text(encoding="utf-8")
        self._head, self._tail = text.split("{{config}}")
        (imports,) = re.findall(r'<script type="importmap">(.*?)</script>', text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(imports.encode()).digest()).decode()
        self.headers = {
            "Content-Security-Policy": "; ".join(
                (
                    "default-src 'none'",
                    f"script-src 'self' 'sha256-{digest}'",
                    "style-src 'self'",
                    "img-src 'self'",
                    "connect-src 'self'",
                    "base-uri 'none'",
                    "form-action 'none'",
                    "frame-ancestors 'none'",
                    # Text never becomes markup, not even by a mistake of ours.
                    "require-trusted-types-for 'script'",
                    "trusted-types 'none'",
                )
            ),
            "Cache-Control": "no-store",
            "X-Frame-Options": "DENY",
            **SHARED_HEADERS,
        }

    def html(self, *, url: str, tenant: Tenant, demo_url: str | None, server_id: str) -> str:
        config = {
            "token": tenant.token,
            "url": url,
            "exports": exports(url, tenant),
            "sdkSwitch": sdk_switch(url),
            "demoUrl": demo_url,
            "serverId": server_id,
        }
        return self._head + _json_in_html(config) + self._tail


SHARED_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def _json_in_html(value: Any) -> str:
    """JSON that cannot end the `<script>` element it stands in."""
    return json.dumps(value).replace("<", "\\u003c")
