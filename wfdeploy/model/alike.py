"""Runs that differ in their names, their places and their bodies alone, by column: most of a long list, most of what a
generator makes.

As long as nobody asks for one of them, none is made, and what is done to all is done a few hundred at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress, islice
from typing import NamedTuple, TypeVar, overload

from wfdeploy.model.address import Address
from wfdeploy.model.request import Body, BodyValue, Request
from wfdeploy.model.run import DeclaredRun, DesiredRun, Group, Source

T = TypeVar("T")


class _Made(Sequence[T]):
    """What is made of columns when it is asked for."""

    def _all(self) -> Iterator[T]:
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, int) and index >= 0:
            for one in islice(self._all(), index, None):
                return one
            raise IndexError(index)
        return list(self._all())[index]

    def __iter__(self) -> Iterator[T]:
        return self._all()


class DeclaredAlike(_Made[DeclaredRun]):
    """Declared runs of one group in the order of their `ordinals` among the document's, without ids of the author's;
    listed ones, or all of one generator. `names` are their addresses without the group.

    Each has a `model`, a request of which it has all but the body, and which others have too; its own body is JSON
    without secrets, the values in `bodies`, and in RFC 8785 form the `texts`.
    """

    def __init__(
        self,
        *,
        group: Group,
        names: Sequence[str],
        ordinals: Sequence[int],
        sources: Sequence[Source],
        models: Sequence[Request],
        bodies: Sequence[BodyValue],
        texts: Sequence[str],
        is_generated: bool,
    ) -> None:
        self.group = group
        self.names = names
        self.ordinals = ordinals
        self.sources = sources
        self.models = models
        self.texts = texts
        self.is_generated = is_generated
        prefix = f"{group.name}/"
        self.addresses = [Address(prefix + name) for name in names]
        self.distinct_models = list({id(model): model for model in models}.values())
        self._bodies = bodies

    def only(self, chosen: Sequence[bool]) -> DeclaredAlike:
        """Those for which this says so."""
        return DeclaredAlike(
            group=self.group,
            names=list(compress(self.names, chosen)),
            ordinals=list(compress(self.ordinals, chosen)),
            sources=list(compress(self.sources, chosen)),
            models=list(compress(self.models, chosen)),
            bodies=list(compress(self._bodies, chosen)),
            texts=list(compress(self.texts, chosen)),
            is_generated=self.is_generated,
        )

    def __len__(self) -> int:
        return len(self.names)

    def _all(self) -> Iterator[DeclaredRun]:
        group = self.group
        columns = self.addresses, self.sources, self.models, self._bodies, self.texts
        for address, source, model, value, text in zip(*columns, strict=True):
            request = model._replace(body=Body.even(value, text.encode()))
            yield DeclaredRun(address, group, source, request)

    def numbered(self) -> Iterator[tuple[int, DeclaredRun]]:
        """Each with its ordinal, as `expand` gives them one by one."""
        return zip(self.ordinals, self, strict=True)


class Shared(NamedTuple):
    """What runs of one model have in common, in the words of `DesiredRun`."""

    delay_s: int | None
    not_before_s: int | None
    has_secrets: bool
    delivery: str


class DesiredAlike(_Made[DesiredRun]):
    """The same runs with their identities."""

    def __init__(
        self,
        declared: DeclaredAlike,
        fingerprints: Sequence[str],
        shared: Sequence[Shared],
        numbers: Sequence[int],
        file: int,
    ) -> None:
        self.declared = declared
        self.fingerprints = fingerprints
        self.shared = shared
        self.numbers = numbers
        self.file = file

    def __len__(self) -> int:
        return len(self.numbers)

    def _all(self) -> Iterator[DesiredRun]:
        runs = self.declared
        columns = runs.addresses, runs.sources, self.fingerprints, self.shared, self.numbers
        for address, source, fingerprint, shared, number in zip(*columns, strict=True):
            delay_s, not_before_s, has_secrets, delivery = shared
            yield DesiredRun(
                address,
                fingerprint,
                delivery,
                runs.group,
                source,
                None,
                self.file,
                number,
                delay_s,
                not_before_s,
                has_secrets,
            )
