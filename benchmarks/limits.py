"""What keeps a benchmark's time bounded: what is not begun, not repeated or given up, and said to be."""

from __future__ import annotations

import time
from collections import Counter, defaultdict

from benchmarks import machine
from benchmarks.works import Peer, Work


class Limits:
    """`total_s`: nothing is begun after that; `longest_s`: one start is given up; `budget_s`: for the repetitions of
    one peer at one work, of which there is one at least.

    A peer that grows as its sizes do and would not end within `longest_s`, or not fit into half of the memory, isn't
    begun at the next size.
    """

    def __init__(self, *, total_s: float, longest_s: float, budget_s: float) -> None:
        self._ends_at = time.monotonic() + total_s
        self.longest_s = longest_s
        self.preparing_s = 4 * longest_s
        self._budget_s = budget_s
        self._spent: defaultdict[tuple[Work, str], float] = defaultdict(float)
        self._starts: Counter[tuple[Work, str]] = Counter()
        self._slowest: dict[tuple[str, int, str], tuple[int, float]] = {}  # work, latency, peer: size, seconds
        self._out: set[tuple[str, int, str]] = set()
        self.left_out: list[str] = []

    def allow(self, work: Work, peer: Peer) -> bool:
        """Whether a peer takes part in a work."""
        if time.monotonic() > self._ends_at:
            self.leave_out(work, peer, "the time is used up")
            return False
        if (work.name, work.latency_ms, peer.name) in self._out:
            self.leave_out(work, peer, "too slow at a smaller size")
            return False
        if peer.bytes_per_run * work.size > machine.memory() / 2:
            self.leave_out(work, peer, "it needs too much memory")
            return False
        size, seconds = self._slowest.get((work.name, work.latency_ms, peer.name), (0, 0.0))
        if size and seconds * work.size / size > self.longest_s:
            self.leave_out(work, peer, f"it takes {seconds:.0f} s for {size:,} runs")
            return False
        return True

    def again(self, work: Work, peer: Peer) -> bool:
        """Whether a peer is started (once more)."""
        if (work.name, work.latency_ms, peer.name) in self._out:
            return False
        starts, spent = self._starts[work, peer.name], self._spent[work, peer.name]
        return not starts or (spent + spent / starts <= self._budget_s and time.monotonic() < self._ends_at)

    def spent(self, work: Work, peer: Peer, seconds: float) -> None:
        """A start took that long."""
        self._starts[work, peer.name] += 1
        self._spent[work, peer.name] += seconds
        self._slowest[work.name, work.latency_ms, peer.name] = (work.size, seconds)

    def leave_out(self, work: Work, peer: Peer, why: str) -> None:
        """Say what is missing and why."""
        self._out.add((work.name, work.latency_ms, peer.name))
        self.left_out.append(f"{work.title}, {work.size:,} runs, {peer.name}: {why}")
