"""The cases: what a number stands for, and what becomes of it."""

from __future__ import annotations

import json
import os
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.support.scratch import scratch
from tests.vectors import edits, large
from tests.vectors.living import ASPECTS, live
from tests.vectors.projects import Project, generate
from tests.vectors.spoiling import spoil


@dataclass(frozen=True)
class Cases:
    """`make` gives the case of a number below `count`, `change` is what happens between its applies."""

    name: str
    count: int
    make: Callable[[int], Project]
    change: Callable[[Project], None]

    @property
    def file(self) -> Path:
        """What was frozen."""
        return Path(__file__).parent / "frozen" / f"{self.name}.txt"

    def frozen(self) -> dict[int, str]:
        """The digests, by number."""
        lines = [line.partition(" ") for line in self.file.read_text(encoding="utf-8").splitlines()]
        return {int(number): rest for number, _, rest in lines if number != "#"}

    def freeze(self, found: Mapping[int, str]) -> None:
        """Write them."""
        self.file.parent.mkdir(exist_ok=True)
        head = f"# Digests of what becomes of each case (python -m tests.vectors): {', '.join(ASPECTS)}.\n"
        lines = (f"{number} {digests}\n" for number, digests in sorted(found.items()))
        self.file.write_text(head + "".join(lines), encoding="utf-8")

    def values(self, numbers: Iterable[int]) -> Iterator[tuple[int, dict[str, Any]]]:
        """All aspects of each of these cases."""
        with scratch() as folder:
            tempfile.gettempdir()  # which is found once: not in a folder that is gone tomorrow
            before = os.environ.get("TMPDIR")
            os.environ["TMPDIR"] = str(folder)  # which each command looks through
            try:
                for number in numbers:
                    yield number, live(self.make(number), self.change, folder)
            finally:
                if before is None:
                    del os.environ["TMPDIR"]
                else:
                    os.environ["TMPDIR"] = before

    def digests(self, numbers: Iterable[int]) -> dict[int, str]:
        """A line for each of these cases: the digest of each aspect; `-` of what there is nothing of."""
        return {
            number: " ".join("-" if found[name] is None else digest(found[name]) for name in ASPECTS)
            for number, found in self.values(numbers)
        }


def _small(number: int) -> Project:
    """Every third one has mistakes."""
    made = generate(number)
    if number % 3 == 0:
        spoil(made)
    return made


def _change(project: Project) -> None:
    """An edit. Of some that are wrong, the mistakes are taken out."""
    if project.seed % 3:
        edits.edit(project)
    elif project.seed % 2:
        sound = generate(project.seed)
        sound.note = project.note
        project.__dict__.update(sound.__dict__)
        project.links = {}


SMALL = Cases("small", 1020, _small, _change)
"""Of about twelve manifests each."""

LARGE = Cases("large", len(large.CASES), large.project, large.edit)


def digest(value: Any) -> str:
    """30 bits of a value's canonical JSON."""
    data = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return urlsafe_b64encode(sha256(data).digest())[:5].decode()


def different(number: int, was: str, now: str) -> str:
    """Which aspects differ, in words; nothing where none does."""
    names = [name for name, old, new in zip(ASPECTS, was.split(), now.split(), strict=True) if old != new]
    return f"case {number}: {', '.join(names)}" if names else ""
