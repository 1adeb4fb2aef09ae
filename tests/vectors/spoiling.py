"""Projects that are wrong somewhere: each mistake by a seed, named for the code that it is meant to give."""

from __future__ import annotations

from random import Random

from tests.vectors.mistakes import Mistake
from tests.vectors.projects import Project
from tests.vectors.wrong_data import DATA
from tests.vectors.wrong_fields import FIELDS
from tests.vectors.wrong_groups import GROUPS
from tests.vectors.wrong_text import TEXT

MISTAKES: dict[str, Mistake] = {**FIELDS, **GROUPS, **DATA, **TEXT}


def spoil(project: Project) -> None:
    """Mistakes of this project's seed, one to three; small damage to the text of a file at times."""
    rng = Random(f"mistake {project.seed}")
    names = [rng.choice(list(MISTAKES)) for _ in range(rng.choice((1, 1, 2, 3)))]
    # By turns, so that each has its seeds.
    names[0] = list(MISTAKES)[project.seed // 3 % len(MISTAKES)]
    for name in names:
        MISTAKES[name](rng, project)
    if rng.random() < 0.15:
        _damage(rng, project)
    project.note = ", ".join(names)


def _damage(rng: Random, project: Project) -> None:
    file = rng.choice(project.files)
    lines = file.content().split(b"\n")
    line = rng.choice([line for line in lines if len(line) > 4] or [b"x"])
    cut = rng.randrange(len(line))
    piece = rng.choice(
        (b"\t", b"'", b'"', b": ", b"- ", b"{", b"]", b"&a ", b"*b", b"#", b"\x01", b"\xff", b"%", b"|", b"")
    )
    file.damage.append((line, line[:cut] + piece + line[cut + rng.randint(0, 2) :]))
