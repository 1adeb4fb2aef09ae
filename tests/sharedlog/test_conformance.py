"""What every backend of a shared log does, against real servers. A new one is added to `SERVERS` and must pass."""

from __future__ import annotations

import io
import json
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sharedlog.servers import Place
from wfdeploy.log_ports import LogBackend
from wfdeploy.model.shared_log import NumberTaken, Undecided, WriteOutcome, Written, digest_of
from wfdeploy.sharedlog.log import DecidedLog


def fill(backend: LogBackend, numbers: range, previous: str = "") -> str:
    """Entries that follow each other; the digest of the last one."""
    for number in numbers:
        content = b"entry %d" % number
        assert backend.create_entry(number, content, previous).outcome is WriteOutcome.WRITTEN
        previous = digest_of(content)
    return previous


def test_an_entry_is_created_once(backend: LogBackend) -> None:
    assert backend.create_entry(0, b"genesis", "").outcome is WriteOutcome.WRITTEN
    assert backend.create_entry(0, b"another", "").outcome is WriteOutcome.REFUSED
    assert backend.create_entry(0, b"genesis", "").outcome is WriteOutcome.REFUSED
    stored = backend.read_entry(0)
    assert stored is not None
    assert stored.content == b"genesis"


def test_what_was_never_written_is_not_there(backend: LogBackend) -> None:
    assert backend.read_entry(7) is None
    assert backend.list_entries(0, 10) == []
    assert backend.list_snapshots() == []
    assert backend.read_lease() is None
    assert not backend.read_snapshot(7, io.BytesIO())
    backend.delete_entry(7)
    backend.delete_snapshot(7)


def test_all_bytes_come_back(backend: LogBackend) -> None:
    content = random.Random(1).randbytes(5_000_000)
    assert backend.create_entry(0, content, "").outcome is WriteOutcome.WRITTEN
    stored = backend.read_entry(0)
    assert stored is not None
    assert stored.content == content
    ((listed),) = backend.list_entries(0, 10)
    assert (listed.number, listed.size, listed.version) == (0, len(content), stored.version)


def test_an_answer_tells_the_version_that_reading_and_listing_tell(backend: LogBackend) -> None:
    answer = backend.create_entry(0, b"genesis", "")
    stored = backend.read_entry(0)
    assert stored is not None
    assert answer.version == stored.version == backend.list_entries(0, 1)[0].version
    assert answer.version


def test_one_of_sixteen_writers_wins_each_entry(backend: LogBackend) -> None:
    log, previous = DecidedLog(backend), ""
    with ThreadPoolExecutor(16) as threads:
        for number in range(25):
            together = threading.Barrier(16)

            def write(
                writer: int, number: int = number, previous: str = previous, wait: Callable[[], int] = together.wait
            ) -> bool:
                wait()
                done = log.append(number, b"%d by %d" % (number, writer), previous, within_s=20)
                assert not isinstance(done, Undecided), done
                return isinstance(done, Written)

            won = [writer for writer, is_won in enumerate(threads.map(write, range(16))) if is_won]
            stored = backend.read_entry(number)
            assert stored is not None
            assert [stored.content] == [b"%d by %d" % (number, writer) for writer in won]
            previous = digest_of(stored.content)


@pytest.mark.parametrize(
    "place", ["memory", "s3", "azure", "gcs"], indirect=True
)  # in a database, an entry follows the one before it
def test_entries_are_listed_in_order_across_folders(backend: LogBackend) -> None:
    numbers = [9_998, 9_999, 10_000, 10_001, 99_999, 100_000, 1_000_000_000]
    for number in random.Random(1).sample(numbers, len(numbers)):
        assert backend.create_entry(number, b"x", "").outcome is WriteOutcome.WRITTEN
    assert [listed.number for listed in backend.list_entries(0, 100)] == numbers
    assert [listed.number for listed in backend.list_entries(9_999, 100)] == numbers[1:]
    assert [listed.number for listed in backend.list_entries(10_000, 100)] == numbers[2:]
    assert [listed.number for listed in backend.list_entries(10_002, 2)] == [99_999, 100_000]


def test_a_listing_goes_from_a_number_in_pages(backend: LogBackend) -> None:
    fill(backend, range(12))
    assert [listed.number for listed in backend.list_entries(0, 5)] == [0, 1, 2, 3, 4]
    assert [listed.number for listed in backend.list_entries(5, 5)] == [5, 6, 7, 8, 9]
    assert [listed.number for listed in backend.list_entries(10, 5)] == [10, 11]
    assert backend.list_entries(12, 5) == []
    backend.delete_entry(3)
    assert [listed.number for listed in backend.list_entries(2, 2)] == [2, 4]
    assert backend.read_entry(3) is None


def test_more_entries_than_one_request_lists(backend: LogBackend) -> None:
    fill(backend, range(1_050))
    assert [listed.number for listed in DecidedLog(backend).list_entries(3, within_s=10)] == list(range(3, 1_050))


@pytest.mark.parametrize("place", ["postgres"], indirect=True)  # only a database can check it in the same step
def test_an_entry_that_follows_another_history_is_refused(backend: LogBackend) -> None:
    digest = fill(backend, range(2))
    assert backend.create_entry(2, b"x", digest_of(b"another history")).outcome is WriteOutcome.DETACHED
    assert backend.create_entry(3, b"x", digest).outcome is WriteOutcome.DETACHED
    assert backend.read_entry(2) is None
    assert backend.create_entry(2, b"x", digest).outcome is WriteOutcome.WRITTEN


def test_a_snapshot_is_streamed_and_never_replaced(backend: LogBackend) -> None:
    content = random.Random(2).randbytes(3_500_000)
    assert backend.create_snapshot(64, io.BytesIO(content)).outcome is WriteOutcome.WRITTEN
    assert backend.create_snapshot(64, io.BytesIO(b"another")).outcome is WriteOutcome.REFUSED
    assert backend.create_snapshot(128, io.BytesIO(b"")).outcome is WriteOutcome.WRITTEN
    assert [(listed.number, listed.size) for listed in backend.list_snapshots()] == [(64, len(content)), (128, 0)]
    target = io.BytesIO()
    assert backend.read_snapshot(64, target)
    assert target.getvalue() == content
    backend.delete_snapshot(64)
    assert [listed.number for listed in backend.list_snapshots()] == [128]


def test_of_two_writers_of_a_snapshot_one_wins(backend: LogBackend) -> None:
    contents = [random.Random(seed).randbytes(2_500_000) for seed in range(4)]
    with ThreadPoolExecutor(4) as threads:
        won = list(
            threads.map(
                lambda content: DecidedLog(backend).create_snapshot(1, io.BytesIO(content), within_s=20), contents
            )
        )
    assert won.count(True) == 1
    target = io.BytesIO()
    backend.read_snapshot(1, target)
    assert target.getvalue() == contents[won.index(True)]


def test_a_lease_is_swapped_only_under_its_version(backend: LogBackend) -> None:
    created = backend.create_lease(b"1")
    assert created.outcome is WriteOutcome.WRITTEN
    assert backend.create_lease(b"2").outcome is WriteOutcome.REFUSED
    swapped = backend.swap_lease(b"3", created.version)
    assert swapped.outcome is WriteOutcome.WRITTEN
    assert backend.swap_lease(b"4", created.version).outcome is WriteOutcome.REFUSED
    lease = backend.read_lease()
    assert lease is not None
    assert (lease.content, lease.version) == (b"3", swapped.version)


def test_no_swap_creates_a_lease(backend: LogBackend) -> None:
    created = backend.create_lease(b"1")
    other = backend.swap_lease(b"2", created.version)
    assert other.outcome is WriteOutcome.WRITTEN
    assert isinstance(DecidedLog(backend).swap_lease(b"3", None, within_s=5), NumberTaken)
    assert isinstance(DecidedLog(backend).swap_lease(b"3", created.version, within_s=5), NumberTaken)


def test_a_lease_that_is_not_there_is_not_swapped(place: Place, logs: Callable[..., LogBackend]) -> None:
    elsewhere, here = logs(place), logs(place)
    version = elsewhere.create_lease(b"1").version
    assert here.swap_lease(b"2", version).outcome is WriteOutcome.REFUSED
    assert here.read_lease() is None
    assert DecidedLog(here).swap_lease(b"2", version, within_s=5) == NumberTaken(None)


def test_no_update_of_a_lease_is_lost(backend: LogBackend) -> None:
    log = DecidedLog(backend)
    log.swap_lease(json.dumps([0, "begin"]).encode(), None, within_s=10)

    def count(worker: int) -> None:
        for step in range(10):
            while True:
                lease = log.read_lease(within_s=10)
                assert lease is not None
                number, _ = json.loads(lease.content)
                new = json.dumps([number + 1, f"{worker} {step}"]).encode()
                done = log.swap_lease(new, lease.version, within_s=20)
                assert not isinstance(done, Undecided), done
                if isinstance(done, Written):
                    break

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(count, range(8)))
    lease = backend.read_lease()
    assert lease is not None
    assert json.loads(lease.content)[0] == 80


def test_prefixes_that_begin_alike_do_not_see_each_other(place: Place, logs: Callable[..., LogBackend]) -> None:
    short, long = logs(place, "alike/pro"), logs(place, "alike/production")
    fill(short, range(2))
    short.create_lease(b"short")
    assert long.list_entries(0, 10) == []
    assert long.read_lease() is None
    fill(long, range(1))
    long.create_snapshot(1, io.BytesIO(b"x"))
    assert short.list_snapshots() == []
    assert [listed.number for listed in short.list_entries(0, 10)] == [0, 1]


def test_a_slash_at_the_end_changes_nothing(place: Place, logs: Callable[..., LogBackend]) -> None:
    one, other = logs(place, "slashes/state"), logs(place, "slashes/state/")
    fill(one, range(1))
    assert other.read_entry(0) == one.read_entry(0)


def test_the_lease_tells_when_it_was_written(backend: LogBackend) -> None:
    before = backend.now_ms()
    backend.create_lease(b"1")
    lease = backend.read_lease()
    assert lease is not None
    assert lease.written_at_ms is not None
    assert before - 1000 <= lease.written_at_ms <= backend.now_ms() + 1000  # some only tell seconds


def test_an_incarnation_stays_and_differs_between_logs(place: Place, logs: Callable[..., LogBackend]) -> None:
    one, other = logs(place), logs(place, prepared=False)
    assert one.name != other.name
    first = one.incarnation()
    one.prepare()
    assert one.incarnation() == first != ""
    other.prepare()
    assert other.incarnation() != first


def test_the_probe_accepts_a_store_that_keeps_its_promises(backend: LogBackend) -> None:
    backend.check()
    assert backend.list_entries(0, 10) == []
