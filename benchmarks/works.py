"""What is measured: for each work and size, one command line per peer, and what must be true before each start."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.corpus import Corpus

PYTHON = sys.executable
OURS, NAIVE, FAST, BARE = "wfdeploy", "naive", "naive, unsafe", "python -c pass"
SDK, RAW_8, RAW_64 = "JavaScript SDK", "raw sockets, 8", "raw sockets, 64"

NAIVE_BYTES_PER_RUN = 8_000
"""Which the naive script was seen to need at its peak: not begun where the machine hasn't got them."""

ON_CORPUS = ("validate", "cold plan", "cold apply", "no-op plan")
ON_ROWS = ("rows: cold plan", "rows: cold apply", "rows: no-op plan")
WORKS = (*ON_CORPUS, *ON_ROWS, "sending", "start-up")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One way to do a work. `prepare` runs once, `before` ahead of each start, outside the clock. `runs`: how many the
    sink must have got when it is done. `tells`: it prints the seconds of the part of interest. `bytes_per_run`: what it
    is known to need at its peak."""

    name: str
    command: tuple[str, ...]
    prepare: tuple[str, ...] = ()
    before: Callable[[], None] = lambda: None
    runs: int = 0
    tells: bool = False
    bytes_per_run: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One row of the table. The first peer is ours. `latency_ms` is the sink's."""

    name: str
    size: int
    peers: tuple[Peer, ...]
    latency_ms: int = 0
    folder: Path | None = None  # the working directory
    small: bool = False  # about start-up

    @property
    def title(self) -> str:
        return f"{self.name}, {self.latency_ms} ms" if self.name == "sending" else self.name


def _ours(*arguments: str) -> tuple[str, ...]:
    return (PYTHON, "-m", "wfdeploy", *arguments)


def _naive(work: str, corpus: Corpus, url: str, *, fast: bool) -> tuple[str, ...]:
    more = ("--gc-off", "--save-once") if fast else ()
    return (PYTHON, "-m", "benchmarks.naive", work, str(corpus.root), "--url", url, *more)


def on_corpus(corpus: Corpus, url: str, wanted: tuple[str, ...]) -> Iterator[Work]:
    """The works on one project, in an order in which each leaves what the next one needs."""

    def work(
        name: str,
        theirs: str,
        ours: tuple[str, ...],
        *,
        before: Callable[[], None] = lambda: None,
        runs: int = 0,
        prepared: bool = False,
    ) -> Work:
        naive: Any = {"before": before, "runs": runs, "bytes_per_run": NAIVE_BYTES_PER_RUN}
        safely, fast = (_naive(theirs, corpus, url, fast=fast) for fast in (False, True))
        return Work(
            name=name,
            size=corpus.runs,
            folder=corpus.root,
            peers=(
                Peer(name=OURS, command=ours, prepare=apply if prepared else (), before=before, runs=runs),
                Peer(name=NAIVE, command=safely, **naive),
                Peer(name=FAST, command=fast, prepare=naive_apply if prepared else (), **naive),  # for both
            ),
        )

    apply = _ours("apply", "--url", url, "--yes", "--allow-retrigger")
    naive_apply = _naive("apply", corpus, url, fast=True)
    plan = _ours("plan", "--url", url)
    works = (
        work("validate", "validate", _ours("validate"), before=corpus.forget),
        work("cold plan", "plan", plan, before=corpus.forget),
        work("cold apply", "apply", apply, before=corpus.forget, runs=corpus.runs),
        work("no-op plan", "plan", plan, prepared=True),
    )
    return iter([one for one in works if one.name in wanted])


def on_rows(corpus: Corpus, url: str, wanted: tuple[str, ...]) -> Iterator[Work]:
    """The works on rows of data. The naive script has no generators."""
    apply = _ours("apply", "--url", url, "--yes", "--allow-retrigger")
    plan = _ours("plan", "--url", url)
    peers = {
        "rows: cold plan": Peer(name=OURS, command=plan, before=corpus.forget),
        "rows: cold apply": Peer(name=OURS, command=apply, before=corpus.forget, runs=corpus.runs),
        "rows: no-op plan": Peer(name=OURS, command=plan, prepare=apply),
    }
    for name, peer in peers.items():
        if name in wanted:
            yield Work(name=name, size=corpus.runs, folder=corpus.root, peers=(peer,))


def of_sending(size: int, latency_ms: int, url: str, sdk: tuple[str, ...] | None) -> Work:
    """Runs from memory to the sink. `sdk`: how the JavaScript SDK is started, if it is there."""
    line = (PYTHON, "-m", "benchmarks.sending")
    peers: dict[str, tuple[str, ...]] = {name: (*line, peer) for name, peer in ((OURS, "ours"), (NAIVE, "naive"))}
    if sdk is not None:
        peers[SDK] = sdk
    peers |= {name: (*line, peer) for name, peer in ((RAW_8, "raw8"), (RAW_64, "raw64"))}
    return Work(
        name="sending",
        size=size,
        latency_ms=latency_ms,
        peers=tuple(
            Peer(name=name, command=(*command, str(size), url), runs=size, tells=True, bytes_per_run=4_000)
            for name, command in peers.items()
        ),
    )


def of_start_up(corpus: Corpus, url: str) -> Iterator[Work]:
    """Small commands beside an interpreter that does nothing. `corpus` is one of ten runs."""
    bare = Peer(name=BARE, command=(PYTHON, "-c", "pass"))
    apply = _ours("apply", "--url", url, "--yes")
    for words in (("version",), ("--help",), ("plan", "--url", url)):
        name = "no-op plan of ten runs" if words[0] == "plan" else f"`wfdeploy {words[0]}`"
        yield Work(
            name=name,
            size=corpus.runs,
            folder=corpus.root,
            small=True,
            peers=(Peer(name=OURS, command=_ours(*words), prepare=apply if words[0] == "plan" else ()), bare),
        )
