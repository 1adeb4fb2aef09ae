"""What a user may ask for beside the selection: where to work, how to carry a plan out, and to stop early."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wfdeploy.errors import UsageError

if TYPE_CHECKING:
    from wfdeploy.model.plan import Plan, Selection
    from wfdeploy.model.project import Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """Which project, environment, server and state are meant; None where nothing is said.

    Paths are relative to the working directory.
    """

    environment: str | None = None
    project_file: str | None = None
    state: str | None = None
    url: str | None = None
    token_file: str | None = None
    token: str | None = field(default=None, repr=False)
    local: bool = False
    """Work on the server that is embedded in this process."""
    env_file: str | None = None
    """Variables that count where the process has none of that name."""
    shard: Shard | None = None
    allow: tuple[str, ...] = ()
    """What the project may ask for, as `KIND=PATTERN`."""


MOST_CONCURRENT = 256
"""Requests at once, at most."""

MANY = 100
"""More retriggers or cancels than this in one apply must be allowed by an option."""

_LEAST = {
    "batch_size": 1,
    "concurrency": 1,
    "max_triggers": 0,
    "timeout_s": 0,
    "lock_timeout_s": 0,
    "wait_timeout_s": 0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions:
    """How to apply a plan. None means: the default of the project file or of the engine.

    max_rate: runs per second.
    max_triggers: refuse a plan that would send more.
    timeout_s: how long all waits together (rate limits, retries) may take.
    lock_timeout_s: how long to wait for the state's lock; 0 for not at all.
    wait: follow the runs until everything has settled.
    wait_timeout_s: how long to do that, or to follow the runs of the embedded server; None for an hour, or a minute.
    """

    create_state: bool = False
    batch_size: int | None = None
    concurrency: int | None = None
    max_rate: float | None = None
    max_triggers: int | None = None
    allow_retrigger: bool = False
    allow_cancel: bool = False
    timeout_s: float = 300.0
    lock_timeout_s: float = 0.0
    wait: bool = False
    wait_timeout_s: float | None = None

    def __post_init__(self) -> None:
        """Raises: `UsageError` for a number that is out of its bounds."""
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not value >= least:  # so that NaN is refused too
                raise UsageError(f"{name} is {value}, and must be at least {least}")
        if self.max_rate is not None and not self.max_rate > 0:
            raise UsageError(f"max_rate is {self.max_rate}, and must be above 0")
        if self.concurrency is not None and self.concurrency > MOST_CONCURRENT:
            raise UsageError(f"concurrency is {self.concurrency}, and must be at most {MOST_CONCURRENT}")

    @property
    def longest_wait_s(self) -> float:
        """`wait_timeout_s`, or what stands for None."""
        if self.wait_timeout_s is not None:
            return self.wait_timeout_s
        return 3600.0 if self.wait else 60.0


class StopFlag:
    """Raised once, never lowered: no new batch is started, those in flight are finished and recorded.

    `request` may be called from a signal handler. An engine that sleeps in an event loop registers a wake-up with
    `on_request`, e.g. `lambda: loop.call_soon_threadsafe(event.set)`; one registered after the request is called at
    once.
    """

    __slots__ = ("_requested", "_wake_ups")

    def __init__(self) -> None:
        self._requested = False
        self._wake_ups: list[Callable[[], object]] = []

    @property
    def requested(self) -> bool:
        return self._requested

    def request(self) -> None:
        """Ask to stop; asking twice is asking once."""
        if self._requested:
            return
        self._requested = True
        for wake_up in self._wake_ups:
            wake_up()

    def on_request(self, wake_up: Callable[[], object]) -> None:
        """Call `wake_up` when the stop is requested."""
        self._wake_ups.append(wake_up)
        if self._requested:
            wake_up()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRequest:
    """What a user asks of an apply. `confirm` shows the plan and asks; False declines. `stop` ends it early: no new
    batch is begun."""

    selection: Selection
    options: ApplyOptions
    confirm: Callable[[Plan], bool]
    stop: StopFlag
