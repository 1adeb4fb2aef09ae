"""The API's refusal of a request."""

from __future__ import annotations

from collections.abc import Mapping


class Refused(Exception):
    """The API answers `status` with `{"error": message}` (Upstash Workflow REST reference, schema `Error`)."""

    def __init__(self, message: str, *, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.headers = headers
