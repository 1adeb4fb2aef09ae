"""Many commits share few transactions, and each returns only when it is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from wfdeploy.errors import StateUnusable
from wfdeploy.model.address import Address
from wfdeploy.model.edits import DropAttempt, Edit
from wfdeploy.ports import StateWriter
from wfdeploy.sending.journal import AT_ONCE, GATHERED, Journal


class FakeWriter(StateWriter):
    """Remembers each transaction; the one that holds `bad` fails when it is staged or finished."""

    def __init__(self, bad: str = "", *, late: bool = False) -> None:
        self.transactions: list[list[str]] = []
        self._staged: list[str] = []
        self._bad, self._late = bad, late

    def stage(self, edits: Sequence[Edit], *, precedes_request: bool = False) -> None:
        self._staged = [edit.address for edit in edits if isinstance(edit, DropAttempt)]
        if self._bad in self._staged and not self._late:
            raise StateUnusable("the disk is full")

    def finish(self) -> int:
        if self._bad in self._staged:
            raise StateUnusable("the disk is full")
        self.transactions.append(self._staged)
        return len(self.transactions)


def edit(number: int) -> list[Edit]:
    return [DropAttempt(Address(f"g/{number}"))]


def test_commits_share_transactions_in_order_and_within_a_bound() -> None:
    ledger = FakeWriter()

    async def run() -> None:
        journal = Journal(ledger)

        async def commit(number: int) -> None:
            await journal.commit(edit(number))
            assert any(f"g/{number}" in written for written in ledger.transactions)

        await asyncio.gather(*(commit(number) for number in range(3 * AT_ONCE + 1)))
        await journal.close()

    asyncio.run(run())
    assert [address for written in ledger.transactions for address in written] == [
        f"g/{number}" for number in range(3 * AT_ONCE + 1)
    ]
    assert [len(written) for written in ledger.transactions] == [AT_ONCE] * 3 + [1]


@pytest.mark.parametrize("late", [False, True], ids=["staged", "finished"])
def test_whoever_shares_a_transaction_that_fails_is_told_and_the_next_ones_go_on(late: bool) -> None:
    ledger = FakeWriter("g/3", late=late)

    async def run() -> list[BaseException | None]:
        journal = Journal(ledger)
        return await asyncio.gather(*(journal.commit(edit(n)) for n in range(AT_ONCE + 2)), return_exceptions=True)

    told = asyncio.run(run())
    assert all(isinstance(one, StateUnusable) for one in told[:AT_ONCE])
    assert told[AT_ONCE:] == [None, None]
    assert ledger.transactions == [[f"g/{AT_ONCE}", f"g/{AT_ONCE + 1}"]]


def test_while_more_is_coming_transactions_are_full_unless_one_is_urgent() -> None:
    ledger = FakeWriter()

    async def run() -> None:
        journal = Journal(ledger, gathers=True)
        journal.expect_more(is_coming=True)
        waiting = [asyncio.create_task(journal.commit(edit(n), may_gather=True)) for n in range(GATHERED + 2)]
        await waiting[GATHERED - 1]
        await asyncio.sleep(0)
        assert [len(written) for written in ledger.transactions] == [GATHERED]
        await journal.commit(edit(GATHERED + 2))  # can't wait, and takes the others along
        assert [len(written) for written in ledger.transactions] == [GATHERED, 3]
        last = asyncio.create_task(journal.commit(edit(GATHERED + 3), may_gather=True))
        await asyncio.sleep(0)
        journal.expect_more(is_coming=False)
        await asyncio.wait_for(asyncio.gather(last, *waiting), 10)

    asyncio.run(run())
    assert [len(written) for written in ledger.transactions] == [GATHERED, 3, 1]


def test_a_transaction_is_bounded_in_bytes_but_for_a_single_commit() -> None:
    ledger = FakeWriter()

    async def run() -> None:
        journal = Journal(ledger)
        sizes = [10, 10, 40, 1]  # MiB
        await asyncio.gather(*(journal.commit(edit(n), size=size << 20) for n, size in enumerate(sizes)))

    asyncio.run(run())
    assert ledger.transactions == [["g/0", "g/1"], ["g/2"], ["g/3"]]
