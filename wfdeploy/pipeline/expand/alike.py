"""Runs that are alike, gathered as they come by (`model/alike.py`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from wfdeploy.model.address import Address
from wfdeploy.model.alike import DeclaredAlike
from wfdeploy.model.canonical import even_texts, is_simple
from wfdeploy.model.request import Body, BodyKind, BodyValue, Request
from wfdeploy.model.run import DeclaredRun, Group, Source
from wfdeploy.pipeline.expand.defaults import DELIVERY_FIELDS
from wfdeploy.pipeline.expand.evaluation import Evaluation
from wfdeploy.pipeline.expand.expressions import OPENING

Kind: TypeAlias = tuple[tuple[str, object], ...]
"""What a listed run says beside its name and its body."""

Made: TypeAlias = tuple[int, DeclaredRun] | DeclaredAlike
"""A run with its ordinal, or several at once."""

MOST = 500
"""Runs that are together, at most."""

MOST_CHARACTERS = 500_000
"""About so many of bodies are together, at most: rows of large bodies stay a few at a time."""

_FIRST = 50
_MOST_KINDS = 1000
_ATOMS = frozenset((str, int, type(None)))


class Gathering(ABC):
    """Gathers runs of one document, until some hundred are together or something else comes between."""

    def __init__(self, group: Group, *, generated: bool) -> None:
        self._group = group
        self._generated = generated
        self._most = min(_FIRST, MOST)
        self._clear()

    def _clear(self) -> None:
        self._names: list[str] = []
        self._ordinals: list[int] = []
        self._sources: list[Source] = []
        self._models: list[Request] = []
        self._bodies: list[BodyValue] = []

    def add(self, name: str, ordinal: int, source: Source, model: Request, body: BodyValue) -> Iterator[Made]:
        """Take in a run that has a structured body, and give out those that are together now."""
        self._names.append(name)
        self._ordinals.append(ordinal)
        self._sources.append(source)
        self._models.append(model)
        self._bodies.append(body)
        return self.given() if len(self._names) >= self._most else iter(())

    def given(self) -> Iterator[Made]:
        """What was taken in so far; one by one where the bodies can't be told by their texts."""
        if not self._names:
            return
        columns = self._names, self._ordinals, self._sources, self._models, self._bodies
        self._clear()
        names, ordinals, sources, models, bodies = columns
        texts = self._texts(bodies)
        if texts is not None:
            each = sum(map(len, texts)) // len(texts) + 1
            self._most = max(min(MOST, 2 * self._most, MOST_CHARACTERS // each), 1)
            yield DeclaredAlike(
                group=self._group,
                names=names,
                ordinals=ordinals,
                sources=sources,
                models=models,
                bodies=bodies,
                texts=texts,
                is_generated=self._generated,
            )
            return
        for name, ordinal, source, model, value in zip(*columns, strict=True):
            request = model._replace(body=self._body(value, source))
            yield ordinal, DeclaredRun(Address(f"{self._group.name}/{name}"), self._group, source, request)

    @abstractmethod
    def _texts(self, bodies: Sequence[BodyValue]) -> list[str] | None:
        """The RFC 8785 form of each, where it is known of all that they have one and hold nothing to be evaluated."""

    @abstractmethod
    def _body(self, value: BodyValue, source: Source, /) -> Body:
        """What one of them comes to."""


class GatheringGenerated(Gathering):
    """Those of one generator. What they hold was evaluated."""

    def __init__(self, group: Group) -> None:
        super().__init__(group, generated=True)

    def _texts(self, bodies: Sequence[BodyValue]) -> list[str] | None:
        return even_texts(bodies) if all(map(is_simple, bodies)) else None

    def _body(self, value: BodyValue, _: Source, /) -> Body:
        return Body(BodyKind.JSON, value)


class GatheringListed(Gathering):
    """Those of an even document's list, once one of their kind was expanded by itself."""

    def __init__(self, group: Group, evaluation: Evaluation) -> None:
        super().__init__(group, generated=False)
        self._evaluation = evaluation
        self._known: dict[Kind, Request] = {}

    def learn(self, kind: Kind, request: Request) -> None:
        """This is what the first run of a kind came to, and expanding it found nothing wrong."""
        if len(self._known) < _MOST_KINDS:
            self._known[kind] = request._replace(body=Body())

    def model_of(self, kind: Kind) -> Request | None:
        """What runs of this kind have in common, where one is known."""
        return self._known.get(kind)

    def _texts(self, bodies: Sequence[BodyValue]) -> list[str] | None:
        texts = even_texts(bodies)
        if self._evaluation.document.has_expressions and any(OPENING in text for text in texts):
            return None
        return texts

    def _body(self, value: BodyValue, source: Source, /) -> Body:
        return self._evaluation.json(value, ("spec", "runs", source.entry, "body"))


def kind_of(fields: Mapping[str, Any]) -> Kind | None:
    """The kind of a listed run; None for one without a structured body, or with anything else than plain delivery
    options beside it."""
    if fields.get("body") is None:
        return None
    if len(fields) == 2:
        return ()
    kind = tuple([(name, value) for name, value in fields.items() if name not in ("name", "body")])
    for name, value in kind:
        if name not in DELIVERY_FIELDS or type(value) not in _ATOMS:
            return None
    return kind
