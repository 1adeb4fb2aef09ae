"""What the state says of single addresses, asked for many at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from wfdeploy.model.address import Address
from wfdeploy.model.state import Record
from wfdeploy.ports import RecordReader


class Lookups:
    """Records and generations by the names that runs have now.

    store: gives the store, which may be replaced by a new one.
    recorded_as: the name that the state still has an address under.
    origins: all former names of an address.
    """

    def __init__(
        self,
        store: Callable[[], RecordReader],
        recorded_as: Callable[[Address], Address],
        origins: Callable[[str], Iterable[Address]],
    ) -> None:
        self._store = store
        self._recorded_as = recorded_as
        self._origins = origins
        self._together: frozenset[Address] = frozenset()
        self._records: Mapping[str, Record] | None = None
        self._generations: Mapping[tuple[str, str], int] | None = None

    def fetch(self, addresses: Collection[Address]) -> None:
        """What is said of one of these is looked up for all of them; what was looked up before is dropped."""
        self._together = frozenset(addresses)
        self._records = self._generations = None

    def record(self, address: str) -> Record | None:
        """The full record of an address."""
        former = self._recorded_as(Address(address))
        if address in self._together:
            if self._records is None:
                records = self._store().records(set(map(self._recorded_as, self._together)))
                self._records = {record.address: record for record in records}
            record = self._records.get(former)
        else:
            record = next(iter(self._store().records([former])), None)
        return record if record is None or former == address else replace(record, address=Address(address))

    def highest(self, address: str, fingerprint: str) -> int:
        """The highest known generation of a fingerprint at an address; 0 for none."""
        names = self._names(address)
        if address not in self._together:
            known = self._store().generations(names)
        elif self._generations is None:
            all_names = {name for one in self._together for name in self._names(one)}
            known = self._generations = self._store().generations(all_names)
        else:
            known = self._generations
        return max([known.get((name, fingerprint), 0) for name in names])

    def _names(self, address: str) -> Collection[str]:
        return (address, self._recorded_as(Address(address)), *self._origins(address))
