"""What sharing the state costs: the same work with the state in a local file, and with its log some way away.

Each round runs both, one right after the other, since a machine that others use is not equally fast for long: only
ratios within a round count. The stores are the servers of the tests, on loopback, behind a relay that makes the way to
them as long as wanted (`benchmarks/relay.py`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import relay
from benchmarks.harness import Harness, Round
from benchmarks.layouts import BY_NAME, Runs
from benchmarks.measure import Sample
from benchmarks.project import Project
from benchmarks.relay import Counts, RunningRelay

if TYPE_CHECKING:
    from tests.sharedlog.servers import Place

STORES = ("postgres", "s3")

APPLY, NOOP_PLAN, FRESH_PLAN, HAND_OVER = "apply", "no-op plan", "plan, fresh machine", "first trigger elsewhere"
WORKS = (APPLY, NOOP_PLAN, FRESH_PLAN, HAND_OVER)

NEEDED = {0: 0.7, 5: 0.6, 25: 0.5}
"""By the milliseconds of a round trip: the share of the local speed that an apply must reach."""

_LOCAL, _SHARED = "local", "shared"
_STATE = "  state: {urlEnv: WFDEPLOY_STATE_URL}\n"
_APPLY = ("apply", "--yes")


@dataclass(frozen=True, slots=True)
class SharedProject(Project):
    """A project whose state is shared."""

    variables: Mapping[str, str] = field(default_factory=dict)
    """Where it is, and the credentials."""

    @property
    def environ(self) -> Mapping[str, str]:
        return {"XDG_STATE_HOME": str(self.folder / "user"), **self.variables}

    def forget_replica(self) -> None:
        """Be a machine that has never seen the state."""
        found = [file for file in (self.folder / "user").rglob("replicas/*") if file.is_file()]
        if not found:
            raise RuntimeError("there is no replica to forget")
        for file in found:
            file.unlink()


@dataclass(frozen=True, slots=True)
class Row:
    """The rounds of one piece of work."""

    store: str

    delay_ms: int

    work: str

    rounds: Sequence[tuple[Sample, Sample, Counts]]
    """Local, shared, and what went to the store and came from it."""

    @property
    def speeds(self) -> list[float]:
        """The shares of the local speed, from the lowest."""
        return sorted(local.wall_s / shared.wall_s for local, shared, _ in self.rounds)

    def data(self) -> dict[str, Any]:
        """As JSON."""
        rounds = [
            {_LOCAL: local.data(), _SHARED: shared.data(), "counts": asdict(counts)}
            for local, shared, counts in self.rounds
        ]
        return {"store": self.store, "delay_ms": self.delay_ms, "work": self.work, "speeds": self.speeds} | {
            "rounds": rounds
        }


class Case:
    """A store some way away, and the same project with a local state and a shared one."""

    def __init__(self, harness: Harness, folder: Path, size: int, place: Place, way: RunningRelay) -> None:
        self._harness, self._size, self._way = harness, size, way
        layout = BY_NAME["corpus"]
        url = place.url_of(f"benchmark/{secrets.token_hex(8)}", port=way.port)
        self._local = Project(folder / _LOCAL, layout)
        self._shared = SharedProject(folder / _SHARED, layout, {**place.environ, "WFDEPLOY_STATE_URL": url})
        self._write(size)
        self._counts = Counts()

    def measure(self, store: str, delay_ms: int, works: Sequence[str]) -> Iterator[Row]:
        """Do each work once, the cheap ones as often as is wanted; the first apply comes before all others."""
        for name, work in (
            (APPLY, self._apply),
            (NOOP_PLAN, self._plan),
            (FRESH_PLAN, self._fresh_plan),
            (HAND_OVER, self._hand_over),
        ):
            if name in works or name == APPLY:
                rounds = self._rounds(f"{store}, {delay_ms} ms, {name}", work, once=name != NOOP_PLAN)
                if name in works:
                    yield Row(store, delay_ms, name, rounds)

    def _rounds(self, what: str, work: Callable[[], Round], *, once: bool) -> list[tuple[Sample, Sample, Counts]]:
        rounds: list[tuple[Sample, Sample, Counts]] = []
        for one in self._harness.rounds(what, work):
            rounds.append((one[_LOCAL], one[_SHARED], self._counts))
            if once:
                break
        return rounds

    def _write(self, size: int) -> None:
        self._local.write(Runs(numbers=range(size)))
        self._shared.write(Runs(numbers=range(size)), _STATE)

    def _apply(self) -> Round:
        for project in (self._local, self._shared):
            self._harness.forget(project)
        self._harness.ours(self._shared, "state", "init")
        return self._both(*_APPLY, triggers=self._size)

    def _plan(self) -> Round:
        return self._both("plan")

    def _fresh_plan(self) -> Round:
        self._shared.forget_replica()
        return self._both("plan")

    def _hand_over(self) -> Round:
        self._size += 1
        self._write(self._size)
        for project in (self._local, self._shared):
            self._harness.ours(project, "plan")  # reading the manifests is not what is compared
        self._shared.forget_replica()
        return self._both(*_APPLY, triggers=1)

    def _both(self, *words: str, triggers: int | None = None) -> Round:
        local = self._harness.ours(self._local, *words, triggers=triggers)
        self._way.counts()
        shared = self._harness.ours(self._shared, *words, triggers=triggers)
        self._counts = self._way.counts()
        return {_LOCAL: local, _SHARED: shared}


@contextmanager
def store(name: str) -> Iterator[tuple[Place, RunningRelay]]:
    """A server, and the way to it."""
    from tests.sharedlog import servers

    # That of S3 closes each connection after one request, as no real one does: its figures are too bad, not too good.
    with servers.SERVERS[name]() as place, relay.running(place.port) as way:
        yield place, way


def measure(
    harness: Harness, folder: Path, size: int, stores: Sequence[str], delays_ms: Sequence[int], works: Sequence[str]
) -> Iterator[Row]:
    """Every work, at every distance, for every store. Each first apply has a state of its own, so it is done in as many
    cases as there are rounds."""
    for name in stores:
        with store(name) as (place, way):
            for delay_ms in delays_ms:
                way.delay(delay_ms)
                found: dict[str, list[tuple[Sample, Sample, Counts]]] = {}
                for number in range(harness.limits.repeat):
                    case = Case(harness, folder / f"{name}-{delay_ms}", size, place, way)
                    others = works if number == 0 else [work for work in works if work == APPLY]
                    for row in case.measure(name, delay_ms, others) if others else ():
                        found.setdefault(row.work, []).extend(row.rounds)
                yield from (Row(name, delay_ms, work, rounds) for work, rounds in found.items() if rounds)


def table(rows: Sequence[Row], size: int) -> str:
    """A Markdown table: a line for each work, store and distance."""
    lines = [
        f"| {size:,} runs | store | round trip | local s | shared s | speed: median (lowest to highest) | needed "
        "| exchanges | connections | sent MB | received MB |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        speeds, counts = row.speeds, [counts for _, _, counts in row.rounds]
        needed = NEEDED.get(row.delay_ms) if row.work == APPLY else None
        cells = [
            row.work,
            row.store,
            f"{row.delay_ms} ms",
            f"{median(local.wall_s for local, _, _ in row.rounds):.2f}",
            f"{median(shared.wall_s for _, shared, _ in row.rounds):.2f}",
            f"{median(speeds):.2f} ({speeds[0]:.2f} to {speeds[-1]:.2f})",
            "–" if needed is None else f"{needed:.2f}" + (": **missed**" if median(speeds) < needed else ""),
            f"{median(one.exchanges for one in counts):.0f}",
            f"{median(one.connections for one in counts):.0f}",
            f"{median(one.up_bytes for one in counts) / 1e6:.2f}",
            f"{median(one.down_bytes for one in counts) / 1e6:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def headline(rows: Sequence[Row], size: int) -> str:
    """The slowest case."""
    slowest = min((row for row in rows if row.work == APPLY), key=lambda row: median(row.speeds), default=None)
    if slowest is None:
        return "No apply was measured."
    return (
        f"The slowest case, {slowest.store} {slowest.delay_ms} ms away: a first apply of {size:,} runs reaches "
        f"{median(slowest.speeds):.2f} of the speed that it has with a local file."
    )
