"""The objects that all request handlers share, made once per server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.requests import Request

from wfdeploy.localserver.clock import ServerClock
from wfdeploy.localserver.delivery.engine import DeliveryEngine
from wfdeploy.localserver.delivery.flow_keys import FlowKeys
from wfdeploy.localserver.delivery.open_deliveries import OpenDeliveries
from wfdeploy.localserver.fault_plan import FaultPlan
from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.runs.quotas import Quotas
from wfdeploy.localserver.store.records import DueMessage
from wfdeploy.localserver.store.run_store import RunStore
from wfdeploy.localserver.tenants import Bearer, SigningKeys, Tenant

MAX_BODY_BYTES = 110_000_000
"""A batch may be 100 MB in total (Upstash changelog); the rest is room for the JSON around it."""


class Changes:
    """Signals that something may have changed, without saying what."""

    def __init__(self) -> None:
        self.count = 0
        self._event = asyncio.Event()

    def notify(self) -> None:
        self.count += 1
        self._event.set()
        self._event = asyncio.Event()

    async def wait_beyond(self, count: int) -> None:
        """Return after the next change beyond `count`."""
        while self.count <= count:
            await self._event.wait()


@dataclass(frozen=True, slots=True)
class Services:
    store: RunStore
    engine: DeliveryEngine
    clock: ServerClock
    faults: FaultPlan
    flow_keys: FlowKeys
    signing_keys: SigningKeys
    quotas: Quotas
    open: OpenDeliveries
    changes: Changes = field(default_factory=Changes)

    def hand_over(self, due: Iterable[DueMessage]) -> None:
        """Schedule the messages of a committed transaction, and signal the change."""
        self.engine.schedule(due)
        self.changes.notify()

    @contextmanager
    def accepting(self) -> Iterator[None]:
        """A transaction that accepts messages and the flow-control limits they bring."""
        try:
            with self.store.transaction():
                yield
            self.flow_keys.commit()
        finally:
            self.flow_keys.rollback()


def tenant_of(request: Request) -> Tenant:
    """The tenant whose token came with the request; `AccessGate` has refused all others."""
    return _bearer(request).tenant


def has_read_only_token(request: Request) -> bool:
    """Whether the token that came with the request may only read."""
    return "wfdeploy.bearer" in request.scope and _bearer(request).reads_only


def _bearer(request: Request) -> Bearer:
    bearer = request.scope["wfdeploy.bearer"]
    assert isinstance(bearer, Bearer)
    return bearer


async def read_body(request: Request) -> bytes:
    """Raises: Refused (413) for a body larger than any plan accepts."""
    pieces = bytearray()
    async for piece in request.stream():
        pieces += piece
        if len(pieces) > MAX_BODY_BYTES:
            raise Refused("the request body is too large", status=413)
    return bytes(pieces)
