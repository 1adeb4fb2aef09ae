"""A store that doesn't keep its promises is refused, whichever it breaks."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.fakes.memory_log import MemoryLog, Objects
from wfdeploy.errors import StateUnreachable, StateUnusable
from wfdeploy.model.shared_log import Stored, WriteAnswer, WriteOutcome
from wfdeploy.sharedlog.probe import probe


class Store:
    """One object, kept as it should be; subclasses break one thing."""

    def __init__(self) -> None:
        self.objects = Objects()

    def create(self, content: bytes) -> WriteAnswer:
        return self.objects.put("key", content, version=None)

    def swap(self, content: bytes, version: str) -> WriteAnswer:
        return self.objects.put("key", content, version=int(version))

    def read(self) -> Stored | None:
        content, version, _ = self.objects.content["key"]
        return Stored(content, str(version))

    def overwrite(self, content: bytes) -> WriteAnswer:
        stored = self.objects.content.get("key")
        return self.objects.put("key", content, version=None if stored is None else stored[1])


class IgnoresCreate(Store):
    def create(self, content: bytes) -> WriteAnswer:
        with self.objects.guard:
            return self.overwrite(content)


class Races(Store):
    """Looks, and writes when all others have looked too."""

    def __init__(self) -> None:
        super().__init__()
        self.looked = threading.Barrier(16)

    def create(self, content: bytes) -> WriteAnswer:
        is_there = "key" in self.objects.content
        self.looked.wait(10)
        with self.objects.guard:
            return WriteAnswer(WriteOutcome.REFUSED) if is_there else self.overwrite(content)


class LosesTheWinner(Store):
    def read(self) -> Stored | None:
        return Stored(b"another", "1")


class IgnoresVersions(Store):
    def swap(self, content: bytes, version: str) -> WriteAnswer:
        return self.overwrite(content)


class RefusesItsOwnVersions(Store):
    def swap(self, content: bytes, version: str) -> WriteAnswer:
        return WriteAnswer(WriteOutcome.REFUSED)


class GivesNoAnswer(Store):
    def create(self, content: bytes) -> WriteAnswer:
        return WriteAnswer(WriteOutcome.UNDECIDED, reason="no answer")

    def read(self) -> Stored | None:
        return None


def run(store: Store) -> None:
    probe("s3://bucket/prefix", create=store.create, swap=store.swap, read=store.read)


def test_a_store_that_keeps_its_promises_passes() -> None:
    run(Store())
    MemoryLog().check()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (IgnoresCreate, "16 of 16 writers were told that they had created the same object"),
        (Races, "16 of 16 writers were told that they had created the same object"),
        (LosesTheWinner, "an object that one writer had created holds what another one wrote"),
        (IgnoresVersions, "an object was replaced under a version that it no longer had"),
        (RefusesItsOwnVersions, "an object could not be replaced under its own version"),
    ],
)
def test_a_store_that_breaks_one_is_refused(make: Callable[[], Store], why: str) -> None:
    with pytest.raises(StateUnusable) as caught:
        run(make())
    assert caught.value.message == f"the store of s3://bucket/prefix can't keep a shared state: {why}"
    assert caught.value.hint is not None


def test_without_answers_nothing_is_known() -> None:
    with pytest.raises(StateUnreachable, match="gave no clear answer: no answer"):
        run(GivesNoAnswer())
