"""Runs that had another address, or another text in their request, while numbers were written otherwise.

See `manifests/expand/numbers.py`. A difference of spelling alone triggers nothing: they are found under what they were.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from wfdeploy.model.address import Address, group_of

if TYPE_CHECKING:
    from wfdeploy.manifests.manifests import Manifests
    from wfdeploy.model.run import DesiredRun


class Respelled:
    """Gives runs the identities that they had. `groups`: those with such runs; mostly there are none."""

    def __init__(self, manifests: Manifests) -> None:
        self.groups = frozenset(name for name, group in manifests.runs.groups.items() if group.respelled)
        self._requests = manifests.requests

    def former(self, run: DesiredRun) -> DesiredRun | None:
        """The run with the address, fingerprint and delivery that it had; None where they are what it has."""
        if group_of(run.address) not in self.groups:
            return None
        declared = self._requests.formerly(run)
        if declared is None:
            return None
        from wfdeploy.manifests.identify.fingerprint import identify

        former = identify(declared)
        same = (former.address, former.fingerprint, former.delivery) == (run.address, run.fingerprint, run.delivery)
        return None if same else former

    def former_addresses(self, file: int) -> Collection[Address]:
        """The addresses that all runs of a file had, whatever shard is worked on."""
        return {declared.address for declared in self._requests.all_formerly(file)}
