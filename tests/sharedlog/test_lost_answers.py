"""Answers that are lost on the way from real servers: what is undecided, and how it is decided."""

from __future__ import annotations

import gc
import io
import secrets
import time
from collections.abc import Callable, Iterator

import pytest

from tests.fakes.cutting_relay import Cut, CuttingRelay
from tests.sharedlog.servers import SERVERS, Place
from wfdeploy.errors import StateUnreachable
from wfdeploy.log_ports import LogBackend
from wfdeploy.model.shared_log import NumberTaken, Undecided, WriteOutcome, Written, digest_of
from wfdeploy.sharedlog.log import DecidedLog

pytestmark = pytest.mark.parametrize("place", SERVERS, indirect=True)

CUTS = (Cut.BEFORE, Cut.AFTER, Cut.MIDDLE, Cut.SILENT)


@pytest.fixture
def relay(place: Place) -> Iterator[CuttingRelay]:
    with CuttingRelay(place.port) as passing:
        yield passing


@pytest.fixture
def pair(place: Place, relay: CuttingRelay, logs: Callable[..., LogBackend]) -> tuple[LogBackend, LogBackend]:
    """One log, over the relay and directly."""
    prefix = f"lost/{secrets.token_hex(8)}"
    direct = logs(place, prefix)
    assert direct.create_entry(0, b"genesis", "").outcome is WriteOutcome.WRITTEN
    return logs(place, prefix, port=relay.port, request_s=2.0, prepared=False), direct


PREVIOUS = digest_of(b"genesis")


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.name)
def test_a_lost_answer_is_undecided(pair: tuple[LogBackend, LogBackend], relay: CuttingRelay, cut: Cut) -> None:
    over_relay, direct = pair
    content = b"entry " + secrets.token_hex(16).encode()
    relay.plan(content, cut)
    answer = over_relay.create_entry(1, content, PREVIOUS)
    stored = direct.read_entry(1)
    # Half of an answer may be all that the client needs: a status line, or the number of rows.
    assert answer.outcome is WriteOutcome.UNDECIDED or (cut is Cut.MIDDLE and answer.outcome is WriteOutcome.WRITTEN)
    assert bool(answer.reason) == (answer.outcome is WriteOutcome.UNDECIDED)
    assert (stored is None) == (cut is Cut.BEFORE)
    assert relay.done == {cut: 1}


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.name)
def test_an_entry_whose_answer_was_lost_is_written_once(
    pair: tuple[LogBackend, LogBackend], relay: CuttingRelay, cut: Cut
) -> None:
    over_relay, direct = pair
    content = b"entry " + secrets.token_hex(16).encode()
    relay.plan(content, cut, cut)
    done = DecidedLog(over_relay).append(1, content, PREVIOUS, within_s=15)
    stored = direct.read_entry(1)
    assert stored is not None
    assert done == Written(stored.version)
    assert stored.content == content


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.SILENT], ids=lambda cut: cut.name)
def test_somebody_elses_entry_is_told_apart_from_our_own(
    pair: tuple[LogBackend, LogBackend], relay: CuttingRelay, cut: Cut
) -> None:
    over_relay, direct = pair
    content = b"entry " + secrets.token_hex(16).encode()
    direct.create_entry(1, b"another", PREVIOUS)
    relay.plan(content, cut)
    done = DecidedLog(over_relay).append(1, content, PREVIOUS, within_s=15)
    assert isinstance(done, NumberTaken)
    assert done.found is not None
    assert done.found.content == b"another"


def test_what_lands_late_is_our_own(pair: tuple[LogBackend, LogBackend], relay: CuttingRelay) -> None:
    """The first try is still on its way when a read shows nothing; then it lands, before the next try."""
    over_relay, direct = pair
    content = b"entry " + secrets.token_hex(16).encode()
    relay.plan(content, Cut.LATE)
    done = DecidedLog(over_relay, pause=lambda _: relay.deliver()).append(1, content, PREVIOUS, within_s=15)
    stored = direct.read_entry(1)
    assert stored is not None
    assert done == Written(stored.version)
    assert relay.done == {Cut.LATE: 1}


def test_what_lands_after_another_entry_changes_nothing(
    pair: tuple[LogBackend, LogBackend], relay: CuttingRelay
) -> None:
    over_relay, direct = pair
    content = b"entry " + secrets.token_hex(16).encode()
    relay.plan(content, Cut.LATE)
    assert over_relay.create_entry(1, content, PREVIOUS).outcome is WriteOutcome.UNDECIDED
    assert direct.create_entry(1, b"another", PREVIOUS).outcome is WriteOutcome.WRITTEN
    relay.deliver()
    stored = direct.read_entry(1)
    assert stored is not None
    assert stored.content == b"another"


def test_a_swap_whose_answer_was_lost_is_decided(pair: tuple[LogBackend, LogBackend], relay: CuttingRelay) -> None:
    over_relay, direct = pair
    log = DecidedLog(over_relay)
    content = secrets.token_hex(16).encode()
    done = log.swap_lease(content, None, within_s=15)
    for cut in CUTS:
        assert isinstance(done, Written)
        content = secrets.token_hex(16).encode()
        relay.plan(content, cut)
        done = log.swap_lease(content, done.version, within_s=15)
        lease = direct.read_lease()
        assert lease is not None
        assert (lease.content, Written(lease.version)) == (content, done)


def test_a_swap_that_lost_against_another_says_so(pair: tuple[LogBackend, LogBackend], relay: CuttingRelay) -> None:
    over_relay, direct = pair
    version = direct.create_lease(b"first").version
    content = secrets.token_hex(16).encode()
    relay.plan(content, Cut.LATE)
    assert over_relay.swap_lease(content, version).outcome is WriteOutcome.UNDECIDED
    direct.swap_lease(b"another", version)
    relay.deliver()
    done = DecidedLog(over_relay).swap_lease(content, version, within_s=15)
    assert isinstance(done, NumberTaken)
    assert done.found is not None
    assert done.found.content == b"another"


def test_without_an_answer_nothing_is_decided(pair: tuple[LogBackend, LogBackend], relay: CuttingRelay) -> None:
    over_relay, _ = pair
    content = b"entry " + secrets.token_hex(16).encode()
    relay.plan(content, *[Cut.BEFORE] * 50)
    done = DecidedLog(over_relay).append(1, content, PREVIOUS, within_s=0.5)
    assert isinstance(done, Undecided)
    assert done.reason.startswith("cannot write the shared state")


def test_a_read_is_tried_again(pair: tuple[LogBackend, LogBackend], relay: CuttingRelay) -> None:
    over_relay, direct = pair
    key = b"entries" if direct.name.startswith("postgresql") else b"000000000000"
    relay.plan(key, Cut.BEFORE, Cut.AFTER, Cut.MIDDLE, Cut.SILENT)
    stored = DecidedLog(over_relay).read_entry(0, within_s=15)
    assert stored is not None
    assert stored.content == b"genesis"
    relay.plan(key, *[Cut.BEFORE] * 50)
    with pytest.raises(StateUnreachable):
        DecidedLog(over_relay).read_entry(0, within_s=0.5)


def test_a_snapshot_whose_last_answer_was_lost_leaves_nothing_open(
    pair: tuple[LogBackend, LogBackend], relay: CuttingRelay
) -> None:
    """Whatever is left open warns when it is collected, and warnings are errors."""
    over_relay, direct = pair
    direct.create_snapshot(1, io.BytesIO(b"snapshot"))
    relay.plan(b"CLOSE" if direct.name.startswith("postgresql") else b"000000000001", Cut.BEFORE)
    with pytest.raises(StateUnreachable):
        over_relay.read_snapshot(1, io.BytesIO())
    gc.collect()


def test_a_silent_server_is_given_up(pair: tuple[LogBackend, LogBackend], relay: CuttingRelay) -> None:
    """Every request ends, also the one that reads something large."""
    over_relay, direct = pair
    direct.create_snapshot(1, io.BytesIO(b"snapshot"))
    database = direct.name.startswith("postgresql")
    for key, read in (
        (b"entries" if database else b"000000000000", lambda: over_relay.read_entry(0)),
        (b"snapshots" if database else b"000000000001", lambda: over_relay.read_snapshot(1, io.BytesIO())),
        (b"entries", lambda: over_relay.list_entries(0, 10)),
        (b"lease", over_relay.read_lease),
    ):
        relay.plan(key, Cut.SILENT)
        began = time.monotonic()
        with pytest.raises(StateUnreachable):
            read()
        assert 1 < time.monotonic() - began < 5
