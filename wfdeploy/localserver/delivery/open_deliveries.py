"""Which deliveries to workflow endpoints are open, and from inside which of them a step was submitted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from wfdeploy.localserver.store.records import Message, MessageKind

_SUBMITTING = (MessageKind.INIT, MessageKind.STEP, MessageKind.CALL_RESULT)
"""The kinds that an SDK receives, and from inside which it submits the next step."""


@dataclass(frozen=True, slots=True)
class OpenDeliveries:
    """The messages that endpoints haven't answered yet, by the run they belong to."""

    _of_run: dict[int, dict[int, Message]] = field(default_factory=dict)

    @contextmanager
    def opened(self, message: Message) -> Iterator[None]:
        """Count a message as open."""
        if message.run_seq is None or message.kind not in _SUBMITTING:
            yield
            return
        of_run = self._of_run.setdefault(message.run_seq, {})
        of_run[message.seq] = message
        try:
            yield
        finally:
            del of_run[message.seq]
            if not of_run:
                del self._of_run[message.run_seq]

    def submitting(self, run_seq: int, *, step_key: str | None, message_id: str | None) -> int | None:
        """The seq of the delivery from inside which a step was submitted; None if that can't be told.

        `step_key`: of the submitted step. A parallel step is submitted from inside the delivery of its plan.
        `message_id`: of the delivery, if the SDK names it.
        """
        of_run = self._of_run.get(run_seq, {})
        if message_id is not None:
            return next((seq for seq, message in of_run.items() if message.message_id == message_id), None)
        if len(of_run) == 1:
            return next(iter(of_run))
        plan = f"plan:{(step_key or '').partition(':')[2]}"
        return next((seq for seq, message in of_run.items() if message.step_key == plan), None)
