"""`Upstash-Redact-Fields`: what logs and dead letters show instead of a value. Deliveries keep the original.

Source: Upstash Workflow REST reference, "Trigger Workflow Run", `Upstash-Redact-Fields`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Redaction:
    """Which parts of a run are not shown."""

    body: bool = False
    all_headers: bool = False
    headers: frozenset[str] = frozenset()
    """Names in lower case."""

    @classmethod
    def of(cls, fields: str | None) -> Redaction:
        """`body`, `header`, `header[Name]`, also in the plural, separated by commas; other words say nothing."""
        if not fields:
            return NONE
        parts = [part.strip() for part in fields.split(",")]
        named = [match[1].strip().lower() for part in parts if (match := re.fullmatch(r"headers?\[(.+)\]", part))]
        return cls(body="body" in parts, all_headers="header" in parts or "headers" in parts, headers=frozenset(named))

    def text(self, value: str) -> str:
        return redacted(value) if self.body else value

    def header(self, name: str, value: str) -> str:
        return redacted(value) if self.all_headers or name.lower() in self.headers else value

    def header_lists(self, headers: Mapping[str, str]) -> dict[str, list[str]]:
        """As the API shows headers: each name with a list."""
        return {name: [self.header(name, value)] for name, value in headers.items()}


NONE = Redaction()


def redacted(value: str) -> str:
    return f"REDACTED:{hashlib.sha256(value.encode()).hexdigest()}"
