"""The pages of a long listing, so that the next command needn't read them again if this one is killed.

The file lies in the user's state directory, beside the freshness markers: what it says leads to runs being taken for
started, so it must be nothing that comes with a checkout or with a copied state.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from wfdeploy.files.access import open_regular
from wfdeploy.model.observed import ObservedRun, RunState, SavedListing

_FORMAT = 1


class SavedListingFile:
    """A `ListingFile`: one line for the listing, and one for each page. `folder`: None where there is no place for it.

    It is opened for each page, which costs nothing beside asking for it.
    """

    def __init__(self, folder: Path | None, name: str) -> None:
        self._path = None if folder is None else folder / f"{name}.listing"
        self._is_open = False  # pages may be added

    def load(self) -> SavedListing | None:
        self._is_open = False
        if self._path is None:
            return None
        try:
            return self._load(self._path)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def _load(self, path: Path) -> SavedListing | None:
        folder = path.parent.stat()
        with open_regular(path, follow=False) as file:
            status = os.fstat(file.fileno())
            if {status.st_uid, folder.st_uid} != {os.geteuid()} or (status.st_mode | folder.st_mode) & 0o022:
                return None
            head = json.loads(file.readline())
            if head["format"] != _FORMAT:
                return None
            runs: list[ObservedRun] = []
            cursor, page, whole = "", list[ObservedRun](), file.tell()
            for line in file:
                if not line.endswith(b"\n"):
                    break  # the process was killed while it wrote this one
                cursor, entries = json.loads(line)
                page = [_run(entry) for entry in entries]
                runs += page
                whole += len(line)
        since_ms, began_ms = head["since"], head["began"]
        if not page or not isinstance(cursor, str) or not isinstance(began_ms, int):
            return None
        os.truncate(path, whole)
        self._is_open = True
        return SavedListing(
            since_ms=since_ms,
            began_ms=began_ms,
            runs=runs,
            cursor=cursor,
            last_ids=frozenset(run.workflow_run_id for run in page),
        )

    def begin(self, since_ms: int | None, began_ms: int) -> None:
        self.drop()
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            self._is_open = True
            self._write({"format": _FORMAT, "since": since_ms, "began": began_ms})

    def add(self, cursor: str, runs: Sequence[ObservedRun]) -> None:
        self._write([cursor, [_fields(run) for run in runs]])

    def drop(self) -> None:
        self._is_open = False
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _write(self, value: object) -> None:
        if self._path is None or not self._is_open:
            return
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
                file.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")
        except OSError:
            self.drop()  # a page that is missing would be a gap


def _fields(run: ObservedRun) -> tuple[object, ...]:
    workflow_run_id, state, *others = run
    return workflow_run_id, state.value, *others


def _run(fields: list[object]) -> ObservedRun:
    run_id, state, created_at_ms, completed_at_ms, url, labels, dlq_id = fields
    if not isinstance(run_id, str) or not isinstance(created_at_ms, int) or not isinstance(labels, list):
        raise TypeError("this is no run")
    return ObservedRun(
        workflow_run_id=run_id,
        state=RunState(state),
        created_at_ms=created_at_ms,
        completed_at_ms=completed_at_ms if isinstance(completed_at_ms, int) else None,
        url=str(url),
        labels=tuple(map(str, labels)),
        dlq_id=dlq_id if isinstance(dlq_id, str) else None,
    )
