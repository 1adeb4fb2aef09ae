"""A proxy that holds a request or an answer until the test has done what it came for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from enum import Enum

from tests.fakes.fault_proxy import Fault, FaultProxy, Policy
from tests.fakes.raw_http import RawRequest, response


class Hold(Enum):
    """Where an exchange is held."""

    REQUEST = "the request is here, the server knows nothing"
    ANSWER = "the server has acted, its answer is here"


class Turnstile(FaultProxy):
    """`hold` says which exchanges stop here; `release` lets them go. `busy` counts exchanges under way.

    `pause`: the headers of its own 429.
    """

    def __init__(
        self, upstream: str, hold: Callable[[RawRequest], Hold | None] | None = None, policy: Policy | None = None
    ) -> None:
        super().__init__(upstream, policy)
        self.hold = hold
        self.held: list[RawRequest] = []
        self.busy = 0
        self.pause: Mapping[str, str] = {"Retry-After": "0"}
        self._gate = asyncio.Event()
        self._lets_pass = True

    def wait_held(self, count: int = 1, *, timeout_s: float = 20.0) -> None:
        """Return once so many exchanges were stopped."""
        self.wait_until(lambda: len(self.held) >= count, timeout_s=timeout_s)

    def wait_quiet(self, *, timeout_s: float = 20.0) -> None:
        """Return once nothing is under way any more."""
        self.wait_until(lambda: self.busy == 0, timeout_s=timeout_s)

    def release(self, *, lets_pass: bool = True) -> None:
        """Let what is held go on, or drop it; nothing is held any more."""
        self.hold = None
        self._lets_pass = lets_pass
        self._loop.call_soon_threadsafe(self._gate.set)

    def hold_again(self, hold: Callable[[RawRequest], Hold | None]) -> None:
        """From now on hold anew."""
        self.held.clear()
        self._loop.call_soon_threadsafe(self._gate.clear)
        self.hold = hold

    async def _carry_out(
        self, fault: Fault, request: RawRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.busy += 1
        try:
            if fault is Fault.THROTTLE:
                writer.write(response(429, {"error": "slow down"}, self.pause))
                await writer.drain()
                return
            where = None if self.hold is None else self.hold(request)
            if where is None:
                await super()._carry_out(fault, request, reader, writer)
                return
            answer = await self._forward(request) if where is Hold.ANSWER else b""
            self.held.append(request)
            self.changed()
            await self._gate.wait()
            if not self._lets_pass:
                writer.close()
            elif where is Hold.ANSWER:
                writer.write(answer)
                await writer.drain()
            else:
                await super()._carry_out(fault, request, reader, writer)
        finally:
            self.busy -= 1
            self.changed()


def is_trigger(request: RawRequest) -> bool:
    return request.path == "/v2/batch/trigger"


def is_listing(request: RawRequest) -> bool:
    return request.path == "/v2/workflows/logs"
