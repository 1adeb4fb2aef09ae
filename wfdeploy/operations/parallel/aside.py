"""Runs put aside as they are read: made ready to be sent where that can be, in a file of chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfdeploy.model.run import DeclaredRun, DesiredRun
    from wfdeploy.operations.parallel.crew import Crew
    from wfdeploy.operations.parallel.parcels import Packer
    from wfdeploy.operations.parallel.stash import Stash
    from wfdeploy.operations.requests import Requests

FEW = 1000
"""Runs that are held in memory all the same: less than what making a file of them is worth."""


class Aside:
    """Hears of the runs that this very process reads, file by file, for `requests`. Once they are more than a few, they
    go to disk, all of them, if parcels can be made of the first. `packer` is then asked for.

    A file whose runs can't be written down is lost: it will be read again.
    """

    def __init__(self, requests: Requests, packer: Callable[[], Packer]) -> None:
        self._requests = requests
        self._make_packer = packer
        self._packer: Packer | None = None
        self._count = 0
        self._open: tuple[int, Stash] | None = None
        self._lost: set[int] = set()
        self._stays_in_memory = False

    def __call__(self, runs: Sequence[DeclaredRun], desired: Sequence[DesiredRun]) -> None:
        self._count += len(runs)
        if self._count > FEW and self._packer is None and not self._stays_in_memory:
            self._begin()
        file = desired[0].file
        if self._packer is None:
            self._requests.remember(runs, desired)
        elif file not in self._lost:
            try:
                self._stash(file).put(self._packer, runs, desired)
            except OSError:
                self._lose(file)

    def close(self) -> None:
        """All files are read."""
        self._end_file()
        if self._packer is not None and self._packer.declined:
            self._crew().only_parcels = False

    def _begin(self) -> None:
        """Put aside what is held so far, if parcels can be made of it."""
        from wfdeploy.pipeline.identify.fingerprint import identify

        packer = self._make_packer()
        parcels = {
            file: [packer(run, identify(run, file, number)) for number, run in held.items()]
            for file, held in self._requests.held.items()
        }
        if packer.declined:
            self._stays_in_memory = True
            return
        self._packer = packer
        self._requests.held.clear()
        for file, made in parcels.items():
            try:
                self._stash(file).extend([parcel for parcel in made if parcel is not None])
            except OSError:
                self._lose(file)

    def _stash(self, file: int) -> Stash:
        if self._open is None or self._open[0] != file:
            from wfdeploy.operations.parallel.stash import Stash

            self._end_file()
            path = self._crew().folder / f"aside-{file}"
            self._open = file, Stash(path)
            self._crew().stashes[file] = [path]
        return self._open[1]

    def _end_file(self) -> None:
        if self._open is not None:
            file, stash = self._open
            try:
                stash.close()
                self._open = None
            except OSError:
                self._lose(file)

    def _lose(self, file: int) -> None:
        if self._open is not None:
            self._open[1].abandon()
            self._open = None
        self._lost.add(file)
        self._requests.without_stash(file)
        self._crew().only_parcels = False

    def _crew(self) -> Crew:
        crew = self._requests.crew
        if crew is None:
            from wfdeploy.operations.parallel.crew import Crew

            crew = self._requests.crew = Crew()
            crew.has_parcels = crew.only_parcels = True
        return crew
