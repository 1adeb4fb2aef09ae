"""Diagnostics as a host of repositories knows them: by a path from the repository's top, and a lasting fingerprint."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from wfdeploy.model.diagnostic import Diagnostic

InRepository: TypeAlias = Callable[[str], str]
"""Makes of a file's name, as the user gave it, its path from the top of the repository."""


@dataclass(frozen=True, slots=True)
class Located:
    """A diagnostic for a host.

    path: of its file, from the top of the repository.
    fingerprint: stays the same while other lines of the file come and go.
    """

    diagnostic: Diagnostic
    path: str
    fingerprint: str


def located(diagnostics: Iterable[Diagnostic], in_repository: InRepository) -> Iterator[Located]:
    """Locate each, with a fingerprint of its own: several that say the same of one address are numbered."""
    times: Counter[tuple[str, ...]] = Counter()
    for diagnostic in diagnostics:
        path = in_repository(diagnostic.place.file)
        key = (diagnostic.code, path, diagnostic.address, diagnostic.message)
        times[key] += 1
        digest = hashlib.sha256("\0".join((*key, str(times[key]))).encode(errors="replace")).hexdigest()
        yield Located(diagnostic, path, digest)


def sentence(diagnostic: Diagnostic) -> str:
    """What is wrong and the way out, as one text."""
    about = f"{diagnostic.address}: " if diagnostic.address else ""
    hint = f" Hint: {diagnostic.hint}" if diagnostic.hint else ""
    return f"{about}{diagnostic.message}{hint}"
