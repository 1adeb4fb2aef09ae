"""The template of a generated run: all that rows have in common is worked out once, the rest for each of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, TypeAlias, cast

from wfdeploy.manifests.expand.defaults import STAND_IN_URL, body_of, default_content_type, layer
from wfdeploy.manifests.expand.evaluation import Evaluation
from wfdeploy.manifests.expand.expressions import OPENING, Constant, ExpressionError, Scope, SizeLimit
from wfdeploy.manifests.expand.input_files import InputFiles
from wfdeploy.model.document import FieldPath
from wfdeploy.model.request import Body, Request, Template

_Part: TypeAlias = Constant | Callable[[Scope], Any]

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
        self._tally: SizeLimit | None = None
        fixed = dict(own)
        if fixed.get("flowControl") is not None:
            fixed["flowControl"] = dict(fixed["flowControl"])
        body = self._tree(fixed) or self._text(fixed, ("bodyText",))
        fields: dict[str, dict[Any, _Part]] = {
            "headers": self._texts(fixed, "headers"),
            "destination": self._single(fixed, ("destination",), STAND_IN_URL),
            "labels": self._labels(fixed),
            "failureUrl": self._single(fixed, ("failureUrl",), STAND_IN_URL),
            "failureHeaders": self._texts(fixed, "failureHeaders"),
            "flowControl": self._single(fixed.get("flowControl") or {}, ("flowControl", "key")),
        }
        own_body = body_of(fixed, path, evaluation, files)
        self._fixed_body = base.body if own_body is None else own_body
        self._shared = layer(base.template, fixed, path, evaluation, default_content_type(self._fixed_body))
        if isinstance(body, Constant):
            self._fixed_body = Body(self._fixed_body.kind, cast("Any", body.value))
        self._body = None if isinstance(body, Constant) else body
        self._varying: dict[str, dict[Any, _Part]] = {}
        for field, parts in fields.items():
            self._add(field, parts)
        self._known: dict[object, Template] = {}

    def _add(self, field: str, parts: dict[Any, _Part]) -> None:
        """Put what is the same for every row into the shared template; keep the rest for each row."""
        same = {key: part for key, part in parts.items() if isinstance(part, Constant)}
        if len(same) < len(parts) and field != "headers":
            same = {}
        if same:
            try:
                self._shared = _filled(self._shared, {field: self._values(field, same, _NO_ROW)})
            except ExpressionError as error:
                self._evaluation.bad_expression(error, error.path)
        if varying := {key: part for key, part in parts.items() if key not in same}:
            self._varying[field] = varying

    def __call__(self, scope: Scope) -> Request:
        """The request for a row. Raises: `ExpressionError`."""
        template = self._template(scope) if self._varying else self._shared
        if self._body is None:
            return Request(template, self._fixed_body)
        return Request(template, Body(self._fixed_body.kind, self._made(self._body, scope)))

    def _template(self, scope: Scope) -> Template:
        """The template of a row; rows with equal values share one."""
        values = {field: self._values(field, parts, scope) for field, parts in self._varying.items()}
        own = tuple(tuple(made.values()) for made in values.values())
        template = self._known.get(own)
        if template is None:
            if len(self._known) >= _MOST_TEMPLATES:
                self._known.clear()
            template = self._known[own] = _filled(self._shared, values)
        return template

    def _values(self, field: str, parts: Mapping[Any, _Part], scope: Scope) -> dict[Any, Any]:
        """The texts of a field for a row. Raises: `ExpressionError`, as soon as they are too much together."""
        tally = SizeLimit(self._evaluation.most) if len(parts) > _FEW else None
        made: dict[Any, Any] = {}
        for key, part in parts.items():
            made[key] = part.value if isinstance(part, Constant) else part(scope)
            if tally is not None and len(made) > _FEW:
                try:
                    tally.add(made[key], f"{field}.{key}")
                except ExpressionError as error:
                    error.path = (*self._path, field, key)
                    raise
        return made

    def _made(self, body: Callable[[Scope], Any], scope: Scope) -> Any:
        if self._tally is not None:
            self._tally.renew()
        return body(scope)

    def _tree(self, fixed: dict[str, Any]) -> _Part | None:
        if fixed.get("body") is None:
            return None
        if repr(fixed["body"]).count(OPENING) > _FEW:
            self._tally = SizeLimit(self._evaluation.most)
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

    def _single(self, holder: dict[str, Any], steps: FieldPath, stand_in: str = "x") -> dict[Any, _Part]:
        part = self._text(holder, steps, stand_in)
        return {} if part is None else {steps[-1]: part}

    def _labels(self, fixed: dict[str, Any]) -> dict[Any, _Part]:
        """All labels, where one of them has an expression: they are replaced as a whole."""
        given: list[str] = fixed.get("labels") or []
        if not any(OPENING in label for label in given):
            return {}
        fixed["labels"] = [f"x{index}" for index in range(len(given))]
        return {
            index: self._evaluation.compiled_text(label, (*self._path, "labels", index), self._names)
            for index, label in enumerate(given)
        }


def _filled(base: Template, values: Mapping[str, Mapping[Any, Any]]) -> Template:
    """A template with these values in its fields."""
    changed: dict[str, Any] = {}
    options: dict[str, Any] = {}
    delivery = base.delivery
    for field, made in values.items():
        match field:
            case "headers":
                changed["headers"] = {**base.headers, **made}
            case "destination":
                changed["destination"] = made["destination"]
            case "labels":
                options["labels"] = tuple(made.values())
            case "failureUrl":
                options["failure_url"] = made["failureUrl"]
            case "failureHeaders":
                options["failure_headers"] = {**delivery.failure_headers, **made}
            case _ if delivery.flow_control is not None:
                options["flow_control"] = replace(delivery.flow_control, key=made["key"])
    if options:
        changed["delivery"] = replace(delivery, **options)
    return replace(base, **changed)
