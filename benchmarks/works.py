"""What is measured: for each work and size, one command line per peer, and what must be true before each start."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.corpus import Corpus

PYTHON = sys.executable
OURS, NAIVE, FAST, RAW, BARE = "wfdeploy", "naive", "naive, unsafe", "raw sockets", "python -c pass"

WORKS = ("validate", "cold plan", "no-op plan", "cold apply", "sending", "start-up")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One way to do a work. `before` runs ahead of each start, outside the clock. `runs`: how many the sink must have
    got when it is done. `tells`: it prints the seconds of the part of interest."""

    name: str
    command: tuple[str, ...]
    before: Callable[[], None] = lambda: None
    runs: int = 0
    tells: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One row of the table. The first peer is ours. `prepare` runs once; `latency_ms` is the sink's."""

    name: str
    size: int
    peers: tuple[Peer, ...]
    prepare: tuple[tuple[str, ...], ...] = field(default=())
    latency_ms: int = 0
    folder: Path | None = None  # the working directory
    small: bool = False  # about start-up


def _ours(*arguments: str) -> tuple[str, ...]:
    return (PYTHON, "-m", "wfdeploy", *arguments)


def _naive(work: str, corpus: Corpus, url: str, *, fast: bool) -> tuple[str, ...]:
    more = ("--gc-off", "--save-once") if fast else ()
    return (PYTHON, "-m", "benchmarks.naive", work, str(corpus.root), "--url", url, *more)


def on_corpus(corpus: Corpus, url: str, wanted: tuple[str, ...]) -> Iterator[Work]:
    """The works on one project, in an order in which each leaves what the next one needs."""

    def peers(ours: tuple[str, ...], theirs: str, before: Callable[[], None] = lambda: None, runs: int = 0) -> Work:
        return Work(
            name="",
            size=corpus.runs,
            folder=corpus.root,
            peers=(
                Peer(name=OURS, command=_ours(*ours), before=before, runs=runs),
                Peer(name=NAIVE, command=_naive(theirs, corpus, url, fast=False), before=before, runs=runs),
                Peer(name=FAST, command=_naive(theirs, corpus, url, fast=True), before=before, runs=runs),
            ),
        )

    shapes = {
        "validate": peers(("validate",), "validate"),
        "cold plan": peers(("plan", "--url", url), "plan", corpus.forget),
        "cold apply": peers(("apply", "--url", url, "--yes", "--allow-retrigger"), "apply", corpus.forget, corpus.runs),
        "no-op plan": peers(("plan", "--url", url), "plan"),
    }
    both = (_ours("apply", "--url", url, "--yes"), _naive("apply", corpus, url, fast=True))
    for name, work in shapes.items():
        if name in wanted:
            yield replace(work, name=name, prepare=both if name == "no-op plan" else ())


def of_sending(size: int, latency_ms: int, url: str) -> Work:
    """Runs from memory to the sink."""
    line = (PYTHON, "-m", "benchmarks.sending")
    return Work(
        name="sending",
        size=size,
        latency_ms=latency_ms,
        peers=tuple(
            Peer(name=name, command=(*line, peer, str(size), url), runs=size, tells=True)
            for name, peer in ((OURS, "ours"), (NAIVE, "naive"), (RAW, "raw"))
        ),
    )


def of_start_up(corpus: Corpus, url: str) -> Iterator[Work]:
    """Small commands beside an interpreter that does nothing. `corpus` is one of ten runs."""
    bare = Peer(name=BARE, command=(PYTHON, "-c", "pass"))
    apply = (_ours("apply", "--url", url, "--yes"),)
    for words in (("version",), ("--help",), ("plan", "--url", url)):
        name = "no-op plan of ten runs" if words[0] == "plan" else f"`wfdeploy {words[0]}`"
        yield Work(
            name=name,
            size=corpus.runs,
            folder=corpus.root,
            small=True,
            peers=(Peer(name=OURS, command=_ours(*words)), bare),
            prepare=apply if words[0] == "plan" else (),
        )
