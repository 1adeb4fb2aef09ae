"""The cases: what a number stands for, and what becomes of it."""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.support.scratch import scratch
from tests.vectors.edits import edit
from tests.vectors.living import ASPECTS, live
from tests.vectors.projects import Project, generate
from tests.vectors.spoiling import spoil

COUNT = 1020
"""Projects, of about twelve manifests each."""

FROZEN = Path(__file__).parent / "frozen" / "small.txt"


def project(seed: int) -> Project:
    """Every third one has mistakes."""
    made = generate(seed)
    if seed % 3 == 0:
        spoil(made)
    return made


def change(project: Project) -> None:
    """What happens to a project between its applies. Of some that are wrong, the mistakes are taken out."""
    if project.seed % 3:
        edit(project)
    elif project.seed % 2:
        sound = generate(project.seed)
        sound.note = project.note
        project.__dict__.update(sound.__dict__)
        project.links = {}


def values(seeds: Iterable[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """All aspects of each of these cases."""
    with scratch() as folder:
        before = os.environ.get("TMPDIR")
        os.environ["TMPDIR"] = str(folder)  # which each command looks through
        try:
            for seed in seeds:
                yield seed, live(project(seed), change, folder)
        finally:
            if before is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = before


def digest(value: Any) -> str:
    """30 bits of a value's canonical JSON."""
    data = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return urlsafe_b64encode(sha256(data).digest())[:5].decode()


def digests(found: Mapping[str, Any]) -> str:
    """A line of the frozen file: of each aspect; `-` of what there is nothing of."""
    return " ".join("-" if found[name] is None else digest(found[name]) for name in ASPECTS)


def all_digests(seeds: Iterable[int]) -> dict[int, str]:
    """The lines of these cases."""
    return {seed: digests(found) for seed, found in values(seeds)}


def frozen() -> dict[int, str]:
    """What was frozen, by number."""
    lines = (
        line.partition(" ") for line in FROZEN.read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    )
    return {int(number): rest for number, _, rest in lines}


def different(seed: int, was: str, now: str) -> str:
    """Which aspects differ, in words."""
    names = [name for name, old, new in zip(ASPECTS, was.split(), now.split(), strict=True) if old != new]
    return f"case {seed}: {', '.join(names)}" if names else ""
