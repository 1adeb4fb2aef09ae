"""Requests on their way from the process that read them to the one that sends them: a file of chunks, each a crate of
parcels or a list of what there is."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from wfdeploy.model.address import Address
from wfdeploy.model.alike import DeclaredAlike, DesiredAlike
from wfdeploy.model.request import Body, Request
from wfdeploy.model.run import DeclaredRun, DesiredRun, Source
from wfdeploy.operations.parallel.parcels import Crate, Packer, Parcel

_CHUNK = 100
"""Runs of a chunk: as many as a server mostly takes at once."""


class Stash:
    """A new file that takes runs, or parcels of them, with their numbers, in the order of these. Holds secrets by name,
    as manifests do."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] = path.open("xb")
        self._chunk: list[Any] = []
        self._count = 0

    def add(self, number: int, run: DeclaredRun | Parcel) -> None:
        """Add a run. Raises: `OSError` when the disk is full."""
        self._chunk.append(run if isinstance(run, Parcel) else (number, _packed(run)))
        if len(self._chunk) >= _CHUNK:
            self._write()

    def put(self, packer: Packer | None, runs: Sequence[DeclaredRun], desired: Sequence[DesiredRun]) -> None:
        """Add runs with their identities, as parcels where there is a packer that makes some. Raises: as `add`."""
        if packer is not None and isinstance(runs, DeclaredAlike) and isinstance(desired, DesiredAlike):
            parcels = packer.together(runs, desired)
            if parcels is not None:
                self.extend(parcels)
                return
        for run, identified in zip(runs, desired, strict=True):
            parcel = None if packer is None else packer(run, identified)
            self.add(identified.number, run if parcel is None else parcel)

    def extend(self, parcels: Sequence[Parcel]) -> None:
        """Add several. Raises: as `add`."""
        self._chunk += parcels
        while len(self._chunk) >= _CHUNK:
            self._write()

    def close(self) -> None:
        """It is whole. Raises: as `add`."""
        with self._file:
            self._write()
        _beside(self._path).write_text(str(self._count), encoding="ascii")

    def abandon(self) -> None:
        """It will never be whole."""
        with suppress(OSError):
            self._file.close()

    def __enter__(self) -> Stash:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _write(self) -> None:
        chunk, self._chunk = self._chunk[:_CHUNK], self._chunk[_CHUNK:]
        if not chunk:
            return
        self._count += len(chunk)
        is_crate = all(isinstance(one, Parcel) for one in chunk)
        # What runs share is written once. Named tuples would be made again by a call for each.
        plain = tuple(Crate.of(chunk)) if is_crate else list(map(tuple, chunk))
        pickle.dump(plain, self._file, protocol=pickle.HIGHEST_PROTOCOL)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.count")


def count_of(path: Path) -> int:
    """How many runs such a file holds. Raises: `OSError`, `ValueError` where it isn't whole."""
    return int(_beside(path).read_text(encoding="ascii"))


def stashed(path: Path) -> Iterator[tuple[int, DeclaredRun | Parcel]]:
    """The runs of such a file, in the order in which they came. Only for a file that this command's own processes
    made, in a folder that nobody else may enter."""
    for chunk in _read(path):
        if isinstance(chunk, tuple):
            yield from ((parcel.number, parcel) for parcel in Crate._make(chunk).parcels())
            continue
        for packed in chunk:
            yield packed[0], _unpacked(packed[1]) if len(packed) == 2 else Parcel._make(packed)


def crates(path: Path) -> Iterator[Crate]:
    """The same for one that holds nothing but parcels."""
    return map(Crate._make, _read(path))


def _read(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        while file.peek(1):
            yield pickle.load(file)  # noqa: S301 - see above


def _packed(run: DeclaredRun) -> tuple[Any, ...]:
    request = run.request
    body = request.body
    what = request.destination, request.content_type, request.headers, request.delivery
    return run.address, run.group, tuple(run.source), run.workflow_run_id, *what, *_parts(body)


def _parts(body: Body) -> tuple[Any, ...]:
    return body.kind, body.value, body.file, body.is_even


def _unpacked(packed: tuple[Any, ...]) -> DeclaredRun:
    address, group, source, run_id, destination, content_type, headers, delivery, *body = packed
    request = Request(
        destination=destination,
        content_type=content_type,
        headers=headers,
        body=Body(*body),
        delivery=delivery,
    )
    return DeclaredRun(
        address=Address(address), group=group, source=Source(*source), request=request, workflow_run_id=run_id
    )
