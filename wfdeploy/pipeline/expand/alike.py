"""Listed runs that are alike, gathered as they come by (`model/alike.py`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from wfdeploy.model.address import Address
from wfdeploy.model.alike import MOST, DeclaredAlike, Place
from wfdeploy.model.canonical import even_texts
from wfdeploy.model.request import Body, BodyValue, Request
from wfdeploy.model.run import DeclaredRun, Group, Source
from wfdeploy.pipeline.expand.defaults import DELIVERY_FIELDS
from wfdeploy.pipeline.expand.evaluation import Evaluation
from wfdeploy.pipeline.expand.expressions import OPENING

Kind: TypeAlias = tuple[tuple[str, object], ...]
"""What a run says beside its name and its body."""

Made: TypeAlias = tuple[int, DeclaredRun] | DeclaredAlike
"""A run with its ordinal, or several at once."""

_MOST_KINDS = 1000
_ATOMS = frozenset((str, int, type(None)))


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


class Gathering:
    """Gathers runs of one even document, once one of their kind was expanded by itself."""

    def __init__(self, group: Group, evaluation: Evaluation) -> None:
        self._group = group
        self._evaluation = evaluation
        self._known: dict[Kind, Request] = {}
        self._clear()

    def _clear(self) -> None:
        self._names: list[str] = []
        self._places: list[Place] = []
        self._models: list[Request] = []
        self._bodies: list[BodyValue] = []

    def learn(self, kind: Kind, request: Request) -> None:
        """This is what the first run of a kind came to, and expanding it found nothing wrong."""
        if len(self._known) < _MOST_KINDS:
            self._known[kind] = request._replace(body=Body())

    def take(self, kind: Kind, fields: Mapping[str, Any], place: Place) -> bool:
        """Take a run in; False where its kind isn't known."""
        model = self._known.get(kind)
        if model is None:
            return False
        self._names.append(fields["name"])
        self._places.append(place)
        self._models.append(model)
        self._bodies.append(fields["body"])
        return True

    @property
    def is_full(self) -> bool:
        return len(self._names) >= MOST

    def given(self) -> Iterator[Made]:
        """What was taken in so far; one by one where some of the bodies may hold expressions."""
        if not self._names:
            return
        names, places, models, bodies = self._names, self._places, self._models, self._bodies
        self._clear()
        texts = even_texts(bodies)
        evaluation = self._evaluation
        file = evaluation.document.source.name
        if not evaluation.document.has_expressions or not any(OPENING in text for text in texts):
            yield DeclaredAlike(
                group=self._group, file=file, names=names, places=places, models=models, bodies=bodies, texts=texts
            )
            return
        for name, (ordinal, line, entry), model, value in zip(names, places, models, bodies, strict=True):
            body = evaluation.json(value, ("spec", "runs", entry, "body"))
            request = model._replace(body=body)
            address = Address(f"{self._group.name}/{name}")
            yield ordinal, DeclaredRun(address, self._group, Source(file, line, entry), request)
