"""Answers in place of somebody: a third party that a workflow calls, or an endpoint that fails now and then."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from wfdeploy.localserver.courier import Parcel, Reply


@dataclass(frozen=True, slots=True)
class Request:
    """What was to be sent. Header names are in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Stub:
    """Answers what goes to a URL that begins with `url`; `times` at most, where that is said."""

    url: str
    reply: Reply
    times: int | None = None
    requests: list[Request] = field(default_factory=list)
    """What it answered, in order."""

    @property
    def is_used_up(self) -> bool:
        return self.times is not None and len(self.requests) >= self.times


class Stubs:
    """The newest stub that fits answers. Asked by the server's thread."""

    def __init__(self) -> None:
        self._stubs: list[Stub] = []
        self._lock = threading.Lock()

    def add(self, stub: Stub) -> Stub:
        with self._lock:
            self._stubs.insert(0, stub)
        return stub

    def answer(self, parcel: Parcel) -> Reply | None:
        with self._lock:
            for stub in self._stubs:
                if parcel.url.startswith(stub.url) and not stub.is_used_up:
                    headers = {name.lower(): value for name, value in parcel.headers.items()}
                    stub.requests.append(Request(parcel.method, parcel.url, headers, parcel.body))
                    return stub.reply
        return None
