"""Runs put aside as they are read: made ready to be sent where that can be, in a file of chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from wfdeploy.model.run import DeclaredRun, DesiredRun
from wfdeploy.operations.parallel.crew import Crew
from wfdeploy.operations.parallel.parcels import Packer
from wfdeploy.operations.parallel.stash import Stash
from wfdeploy.pipeline.identify.fingerprint import identify

if TYPE_CHECKING:
    from wfdeploy.operations.requests import Requests

FEW = 1000
"""Runs that are held in memory all the same: less than what making a file of them is worth."""


class Aside:
    """Hears of the runs that this very process reads, file by file, for `requests`. Once they are more than a few, and
    as long as parcels can be made of them, they go to disk. `packer` is then asked for."""

    def __init__(self, requests: Requests, packer: Callable[[], Packer]) -> None:
        self._requests = requests
        self._make_packer = packer
        self._packer: Packer | None = None
        self._count = 0
        self._open: tuple[int, Stash] | None = None
        self._given_up = False

    def __call__(self, runs: Sequence[DeclaredRun], desired: Sequence[DesiredRun]) -> None:
        self._count += len(runs)
        if self._count > FEW and self._packer is None and not self._given_up:
            self._begin()
        if self._packer is None:
            self._requests.remember(runs, desired)
            return
        try:
            self._stash(desired[0].file).put(self._packer, runs, desired)
        except OSError:  # the disk is full: what isn't there is read from the manifests again
            self._give_up(desired[0].file)

    def close(self) -> None:
        """All files are read."""
        self._end_file()
        crew = self._requests.crew
        if crew is not None and self._packer is not None and self._packer.declined:
            crew.only_parcels = False

    def _end_file(self) -> None:
        if self._open is not None:
            file, stash = self._open
            try:
                stash.close()
                self._open = None
            except OSError:
                self._give_up(file)

    def _begin(self) -> None:
        """Put aside what is held so far, if parcels can be made of it."""

        packer = self._make_packer()
        parcels = {
            file: [packer(run, identify(run, file, number)) for number, run in kept.items()]
            for file, kept in self._requests.held.items()
        }
        if packer.declined:
            self._given_up = True
            return
        self._packer = packer
        crew = self._requests.crew
        if crew is None:
            crew = self._requests.crew = Crew()
            crew.has_parcels = crew.only_parcels = True
        for file, made in parcels.items():
            try:
                self._stash(file).extend([parcel for parcel in made if parcel is not None])
            except OSError:
                self._give_up(file)
        self._requests.held.clear()

    def _stash(self, file: int) -> Stash:
        if self._open is not None and self._open[0] == file:
            return self._open[1]
        from wfdeploy.operations.parallel.stash import Stash

        self._end_file()
        crew = self._requests.crew
        assert crew is not None
        path = crew.folder / f"aside-{file}"
        crew.stashes[file] = [path]
        self._open = file, Stash(path)
        return self._open[1]

    def _give_up(self, file: int) -> None:
        if self._open is not None:
            self._open[1].abandon()
        self._packer, self._open, self._given_up = None, None, True
        if self._requests.crew is not None:
            self._requests.crew.only_parcels = False
        self._requests.without_stash(file)
        self._requests.cannot_hold(file)
