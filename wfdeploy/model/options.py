"""What a user may ask of an apply, beside the selection."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions:
    """How to carry a plan out. None means: the default of the project file or of the engine.

    `max_rate`: runs per second. `max_triggers`: refuse a plan that would send more. `timeout_s`: how long all waits
    together (rate limits, retries) may take. `lock_timeout_s`: how long to wait for the state's lock (0: not at
    all). `wait`: follow through until everything has settled. `wait_timeout_s`: how long to do that, or to follow the
    runs of the embedded server (None: an hour, or a minute).
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

    @property
    def longest_wait_s(self) -> float:
        """`wait_timeout_s`, or what stands for None."""
        if self.wait_timeout_s is not None:
            return self.wait_timeout_s
        return 3600.0 if self.wait else 60.0
