"""Just enough HTTP/1.1 for servers that misbehave on purpose: no library would let them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request as it came; header names are lower-case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    raw: bytes = field(repr=False, default=b"")

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def items(self) -> list[dict[str, Any]]:
        """The items of a batch trigger."""
        items = json.loads(self.body)
        assert isinstance(items, list)
        return items

    @property
    def run_ids(self) -> list[str]:
        return [item["headers"]["Upstash-Workflow-RunId"] for item in self.items]


async def read_request(reader: asyncio.StreamReader) -> RawRequest | None:
    """The next request, None when the connection ended before one."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return RawRequest(method, target, headers, body, head + body)


def response(
    status: int,
    body: bytes | str | list[Any] | dict[str, Any] = b"",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """A whole response; lists and dicts become JSON."""
    content_type = "text/plain"
    if isinstance(body, list | dict):
        body, content_type = json.dumps(body), "application/json"
    data = body.encode() if isinstance(body, str) else body
    lines = {"Content-Type": content_type, "Content-Length": str(len(data)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode("latin-1") + data
