"""What a user may ask of an apply, beside the selection."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions:
    """How to carry a plan out. None means: the default of the project file or of the engine.

    `max_rate`: runs per second. `max_triggers`: refuse a plan that would send more. `timeout_s`: how long all waits
    together (rate limits, retries) may take. `lock_timeout_s`: how long to wait for the state's lock (0: not at
    all). `wait_timeout_s`: how long to follow the runs of the embedded server.
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
    wait_timeout_s: float = 60.0
