"""A long list that is edited again and again: with a cache, each load tells what one tells that knows nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support import long_lists
from tests.support.long_lists import AFTER, BROKEN, HEADERS, SOUND_HEADERS, assert_as_a_whole, counted, in_pieces_of
from wfdeploy.catalogue import chunks
from wfdeploy.catalogue.entries import Cache
from wfdeploy.manifests.manifests import validate
from wfdeploy.manifests.reading import Loading
from wfdeploy.model.project import Shard

STEPS = 20


class Edited:
    """A project whose list is edited."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        self.project = long_lists.project(root)
        self.rng = rng
        self.own_ids = rng.random() < 0.5
        self.headers = [name for name in SOUND_HEADERS if not (self.own_ids and name == "a schedule")]
        self.header = rng.choice(self.headers)
        self.after = ""
        self.column = rng.choice([2, 4, 6])
        self.made = 0
        self.file = "a.yaml"
        self.items = [self.item() for _ in range(rng.choice([8, 30, 60, 120]))]
        if rng.random() < 0.5:
            self.items.sort(key=name_of)
        self.versions: list[tuple[str, list[str], str]] = []

    def item(self) -> str:
        self.made += 1
        name = f"{self.rng.choice(['n', 'a', 'z', 'Z', 'n0'])}{self.made}"
        return long_lists.item_of(self.rng, name, own_ids=self.own_ids)

    def put(self) -> None:
        text = long_lists.text_of(self.items, self.header, column=self.column) + self.after
        long_lists.put(self.project.root, self.file, text)
        self.versions.append((self.header, [*self.items], self.after))

    def step(self) -> str:
        """Some edits; what they were."""
        rng = self.rng
        ways = [self.insert, self.remove, self.change, self.swap, self.rename, self.move, self.reheader]
        rare = [self.duplicate, self.spoil, self.go_back, self.follow, self.clash, self.rename_file, self.reindent]
        done = [rng.choice(rare if rng.random() < 0.3 else ways) for _ in range(rng.choice([1, 1, 1, 2, 4]))]
        if rng.random() < 0.5:
            done.append(self.mend)
        for way in done:
            way()
        self.items = self.items or [self.item()]
        self.put()
        return ", ".join(way.__name__ for way in done)

    def at(self) -> int:
        return self.rng.choice([0, len(self.items) - 1, self.rng.randrange(len(self.items))]) if self.items else 0

    def insert(self) -> None:
        self.items.insert(self.at(), self.item())

    def remove(self) -> None:
        del self.items[self.at() : self.at() + self.rng.choice([1, 1, 1, 10])]

    def change(self) -> None:
        at = self.at()
        for item in self.items[at : at + 1]:
            self.items[at] = long_lists.item_of(self.rng, name_of(item), own_ids=self.own_ids)

    def swap(self) -> None:
        one, other = self.at(), self.at()
        if self.items:
            self.items[one], self.items[other] = self.items[other], self.items[one]

    def rename(self) -> None:
        at = self.at()
        for item in self.items[at : at + 1]:
            self.items[at] = item.replace(f"name: {name_of(item)}", f"name: {name_of(item)}-new", 1)

    def move(self) -> None:
        """A stretch goes to another place."""
        low, high = sorted((self.at(), self.at()))
        stretch, self.items[low:high] = self.items[low:high], []
        at = self.at()
        self.items[at:at] = stretch

    def reheader(self) -> None:
        self.header = self.rng.choice(self.headers)

    def duplicate(self) -> None:
        self.items[self.at() : 0] = self.items[self.at() :][:1]

    def spoil(self) -> None:
        if self.rng.random() < 0.3:
            self.header = self.rng.choice(HEADERS)
        else:
            self.items.insert(self.at(), self.rng.choice(BROKEN))

    def follow(self) -> None:
        self.after = self.rng.choice(AFTER)

    def go_back(self) -> None:
        header, items, self.after = self.rng.choice(self.versions)
        self.header, self.items = header, [*items]

    def clash(self) -> None:
        """Another file, with the same runs in another group, or in the same one."""
        name = self.rng.choice(["other", "other", "list"])
        more = self.items[: self.rng.choice([0, 1, 200])]
        long_lists.put(self.project.root, "b.yaml", long_lists.text_of(more or [self.item()], name=name))

    def rename_file(self) -> None:
        (self.project.root / "manifests" / self.file).unlink(missing_ok=True)
        self.file = self.rng.choice(["a.yaml", "c.yaml"])

    def reindent(self) -> None:
        self.column = self.rng.choice([2, 4])

    def mend(self) -> None:
        """Nothing is wrong any more."""
        seen: set[str] = set()
        items, self.items = self.items, []
        for item in items:
            name = name_of(item)
            if item not in BROKEN and name not in seen:
                self.items.append(item)
            seen.add(name)
        self.after = ""
        self.header = self.header if self.header in self.headers else ""
        (self.project.root / "manifests" / "b.yaml").unlink(missing_ok=True)


def name_of(item: str) -> str:
    return item.partition("name: ")[2].split(",")[0].split("}")[0].split("\n")[0]


@pytest.mark.parametrize("usual", [1, 3, 8])
@pytest.mark.parametrize("seed", range(4))
def test_each_load_tells_what_one_tells_that_knows_nothing(
    tmp_path: Path, usual: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(f"{usual}/{seed}")
    monkeypatch.setattr(chunks, "SIZE", rng.choice([2, 500]))
    monkeypatch.setattr(chunks, "MAX_SORTED", rng.choice([4 * usual, 20_000]))  # no less than a piece has
    edited = Edited(tmp_path, rng)
    edited.put()
    cache = Cache(tmp_path / "cache", b"key")
    sound = 0
    with in_pieces_of(usual):
        for number in range(STEPS):
            done = edited.step() if number else "begun"
            shard = None if edited.own_ids else rng.choice([None, Shard(1, 2), Shard(2, 3)])
            variables = {"plan": "free"} if rng.random() < 0.1 else {}
            keep = rng.choice([0, 5, 200_000])
            print(f"{usual}/{seed}/{number}: {done}; {edited.header!r}, shard {shard}, {variables}, keep {keep}")
            asked = f"{seed}/{number}"
            out = assert_as_a_whole(
                edited.project, cache, asked, shard, variables=variables, keep=keep, shrink=bool(keep)
            )
            sound += bool(out.runs)
    assert sound >= STEPS // 3, "too little can be loaded at all"


def test_most_edits_are_read_in_pieces(tmp_path: Path) -> None:
    """The test above would find nothing if all files were read as a whole."""
    rng = random.Random(0)
    edited, cache = Edited(tmp_path, rng), Cache(tmp_path / "cache", b"key")
    ways = (edited.insert, edited.remove, edited.change, edited.rename, edited.swap)
    read: list[int] = []
    edited.items = [edited.item() for _ in range(100)]
    with in_pieces_of(3):
        for _ in range(10):
            edited.put()
            with counted() as made:
                assert not validate(edited.project, how=Loading(cwd=tmp_path, cache=cache))
            read.append(len(made))
            rng.choice(ways)()
    assert read[0] >= 20
    assert max(read[1:]) < 25, read
