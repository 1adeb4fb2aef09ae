"""The template of a generated run: all that rows have in common is worked out once, the rest for each of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar, cast

from wfdeploy.manifests.expand.defaults import STAND_IN_URL, body_of, default_content_type, layer, with_content_type
from wfdeploy.manifests.expand.evaluation import Evaluation
from wfdeploy.manifests.expand.expressions import OPENING, Constant, ExpressionError, Scope, Tally
from wfdeploy.manifests.expand.input_files import InputFiles
from wfdeploy.model.document import FieldPath
from wfdeploy.model.request import Body, Delivery, Request, Template, Text

_Part: TypeAlias = Constant | Callable[[Scope], Any]

_Key = TypeVar("_Key", str, int)

_NO_ROW: Scope = {}

_MOST_TEMPLATES = 1000
"""Templates that are remembered of one generator."""

_FEW = 16
"""Expressions of a body, headers or labels that aren't added up: each is bounded by itself."""


class RunTemplate:
    """Makes the request of a generated run. `names` are those that its expressions may use.

    Everything with an expression in it is compiled here; where it stood, the layers of defaults see a stand-in.
    """

    def __init__(
        self,
        base: Request,
        own: Mapping[str, Any],
        path: FieldPath,
        *,
        names: Collection[str],
        evaluation: Evaluation,
        files: InputFiles,
    ) -> None:
        self._evaluation = evaluation
        self._path = path
        self._names = names
        self._tally: Tally | None = None
        fixed = dict(own)
        destination = self._text(fixed, ("destination",), STAND_IN_URL)
        body = self._tree(fixed) or self._text(fixed, ("bodyText",))
        headers = self._texts(fixed, "headers")
        delivery = self._of_delivery(fixed)
        shared = layer(base.template, fixed, path, evaluation)
        own_body = body_of(fixed, path, evaluation, files)
        self._fixed_body = base.body if own_body is None else own_body
        shared = with_content_type(shared, default_content_type(self._fixed_body))
        if isinstance(destination, Constant):
            shared = replace(shared, destination=cast("Text", destination.value))
        if isinstance(body, Constant):
            self._fixed_body = Body(self._fixed_body.kind, cast("Any", body.value))
        if headers:
            same = {name: cast("Text", part.value) for name, part in headers.items() if isinstance(part, Constant)}
            shared = replace(shared, headers={**shared.headers, **same})
        if delivery is not None and all(isinstance(part, Constant) for part in delivery.parts()):
            shared = replace(shared, delivery=delivery.of(shared.delivery, delivery.values(_NO_ROW)))
            delivery = None
        self._shared = shared
        self._destination = _varying(destination)
        self._body = _varying(body)
        self._headers = [(name, text) for name, part in headers.items() if (text := _varying(part)) is not None]
        self._delivery = delivery
        self._is_one = self._destination is None and not self._headers and delivery is None
        self._known: dict[object, Template] = {}

    def __call__(self, scope: Scope) -> Request:
        """The request for a row. Raises: `ExpressionError`."""
        template = self._shared if self._is_one else self._template(scope)
        if self._body is None:
            return Request(template, self._fixed_body)
        return Request(template, Body(self._fixed_body.kind, self._made(self._body, scope)))

    def _template(self, scope: Scope) -> Template:
        """The template of a row; rows with equal values share one."""
        shared = self._shared
        headers = {}
        if self._headers:
            headers = _all(self._headers, scope, self._evaluation.most, (*self._path, "headers"))
        destination = shared.destination if self._destination is None else self._destination(scope)
        options = None if self._delivery is None else self._delivery.values(scope)
        own = destination, tuple(headers.values()), options
        template = self._known.get(own)
        if template is None:
            template = Template(
                destination=destination,
                content_type=shared.content_type,
                headers={**shared.headers, **headers},
                delivery=shared.delivery if self._delivery is None else self._delivery.of(shared.delivery, options),
            )
            if len(self._known) >= _MOST_TEMPLATES:
                self._known.clear()
            self._known[own] = template
        return template

    def _made(self, body: Callable[[Scope], Any], scope: Scope) -> Any:
        if self._tally is not None:
            self._tally.renew()
        return body(scope)

    def _tree(self, fixed: dict[str, Any]) -> _Part | None:
        if fixed.get("body") is None:
            return None
        if repr(fixed["body"]).count(OPENING) > _FEW:
            self._tally = Tally(self._evaluation.most)
        compiled = self._evaluation.compiled_tree(fixed["body"], (*self._path, "body"), self._names, self._tally)
        if self._tally is not None:
            self._tally.fix()
        fixed["body"] = "x"
        return compiled

    def _text(self, holder: dict[str, Any], steps: FieldPath, stand_in: str = "x") -> _Part | None:
        """The last of `steps` in its holder, where it has an expression; a stand-in is left."""
        text = holder.get(cast("str", steps[-1]))
        if not isinstance(text, str) or OPENING not in text:
            return None
        holder[cast("str", steps[-1])] = stand_in
        return self._evaluation.compiled_text(text, (*self._path, *steps), self._names, stand_in=stand_in)

    def _texts(self, fixed: dict[str, Any], field: str) -> dict[str, _Part]:
        """The values of a mapping that have expressions; stand-ins are left."""
        if not fixed.get(field):
            return {}
        holder = fixed[field] = dict(fixed[field])
        found = {name: self._text(holder, (field, name)) for name in tuple(holder)}
        return {name: part for name, part in found.items() if part is not None}

    def _of_delivery(self, fixed: dict[str, Any]) -> _DeliveryParts | None:
        flow_key = None
        if fixed.get("flowControl") is not None:
            holder = fixed["flowControl"] = dict(fixed["flowControl"])
            flow_key = self._text(holder, ("flowControl", "key"))
        parts = _DeliveryParts(
            labels=self._labels(fixed),
            failure_url=self._text(fixed, ("failureUrl",), STAND_IN_URL),
            failure_headers=self._texts(fixed, "failureHeaders"),
            flow_key=flow_key,
            most=self._evaluation.most,
            path=self._path,
        )
        return parts if parts.parts() else None

    def _labels(self, fixed: dict[str, Any]) -> list[_Part]:
        given: list[str] = fixed.get("labels") or []
        if not any(OPENING in label for label in given):
            return []
        fixed["labels"] = [f"x{index}" for index in range(len(given))]
        return [
            self._evaluation.compiled_text(label, (*self._path, "labels", index), self._names)
            for index, label in enumerate(given)
        ]


class _DeliveryParts:
    """Delivery options with expressions in them."""

    def __init__(
        self,
        *,
        labels: list[_Part],
        failure_url: _Part | None,
        failure_headers: Mapping[str, _Part],
        flow_key: _Part | None,
        most: int,
        path: FieldPath,
    ) -> None:
        self._most = most
        self._path = path
        self._labels = labels
        self._failure_url = failure_url
        self._failure_headers = failure_headers
        self._flow_key = flow_key

    def parts(self) -> list[_Part]:
        single = [part for part in (self._failure_url, self._flow_key) if part is not None]
        return [*self._labels, *self._failure_headers.values(), *single]

    def values(self, scope: Scope) -> tuple[object, ...]:
        """What its expressions come to. Raises: `ExpressionError`."""
        labels = _all(enumerate(self._labels), scope, self._most, (*self._path, "labels"))
        failure_url = None if self._failure_url is None else _valued(self._failure_url, scope)
        path = (*self._path, "failureHeaders")
        failure_headers = _all(self._failure_headers.items(), scope, self._most, path)
        flow_key = None if self._flow_key is None else _valued(self._flow_key, scope)
        return tuple(labels.values()), failure_url, tuple(failure_headers.values()), flow_key

    def of(self, shared: Delivery, values: Any) -> Delivery:
        """The options with these values in them."""
        labels, failure_url, failure_headers, flow_key = values
        changed: dict[str, Any] = {}
        if self._labels:
            changed["labels"] = labels
        if self._failure_url is not None:
            changed["failure_url"] = failure_url
        if self._failure_headers:
            given = dict(zip(self._failure_headers, failure_headers, strict=True))
            changed["failure_headers"] = {**shared.failure_headers, **given}
        if self._flow_key is not None and shared.flow_control is not None:
            changed["flow_control"] = replace(shared.flow_control, key=flow_key)
        return replace(shared, **changed)


def _varying(part: _Part | None) -> Callable[[Scope], Any] | None:
    return None if isinstance(part, Constant) else part


def _valued(part: _Part, scope: Scope) -> Any:
    return part.value if isinstance(part, Constant) else part(scope)


def _all(parts: Iterable[tuple[_Key, _Part]], scope: Scope, most: int, path: FieldPath) -> dict[_Key, Any]:
    """Several texts for a row. Raises: `ExpressionError`, as soon as they are too much together."""
    tally = Tally(most)
    made: dict[_Key, Any] = {}
    for key, part in parts:
        made[key] = _valued(part, scope)
        if len(made) > _FEW:
            try:
                tally.add(made[key], f"{path[-1]}.{key}")
            except ExpressionError as error:
                error.path = (*path, key)
                raise
    return made
