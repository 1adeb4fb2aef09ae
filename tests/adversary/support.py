"""What tests that break assumptions share."""

from __future__ import annotations

from typing import Any

from tests.support.virtual import VirtualBench
from tests.support.workbench import group, run


def declare(bench: VirtualBench, *names: str, policy: dict[str, Any] | None = None, **fields: Any) -> None:
    """The run that was there from the beginning, and these."""
    spec = {} if policy is None else {"policy": policy}
    bench.write(group("g", [run("first"), *(run(name, **fields) for name in names)], **spec))


def starts(bench: VirtualBench, name: str = "a") -> int:
    """How often the server started a run."""
    return sum(count for run_id, count in bench.remote.counts.items() if f"g-{name}-" in run_id)


def lose_state(bench: VirtualBench) -> None:
    for file in bench.state_file.parent.iterdir():
        file.unlink()


def is_warned_of_doubles(bench: VirtualBench) -> bool:
    """Whether a plan says that one id has more than one run."""
    return any("more than one run" in warning for warning in bench.plan().warnings)
