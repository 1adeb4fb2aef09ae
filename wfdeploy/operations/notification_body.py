"""The body of a notification, by the template of a project file: expressions that know `event`, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from wfdeploy.manifests.expand.expressions import Constant, ExpressionError, SizeLimit, compile_value
from wfdeploy.manifests.expand.references import References
from wfdeploy.model.document import FieldPath
from wfdeploy.model.notification import Notification, NotificationKind
from wfdeploy.operations.news import FACTS

_MOST = 100_000
"""Characters that a template's expressions may make."""


def body_of(template: object, one: Notification) -> object:
    """The template with its expressions evaluated. It has neither variables nor secrets to name.

    Raises: `ExpressionError`.
    """
    return _filled(template, {"event": _event_of(one)}, References({}, (), most=_MOST), SizeLimit(_MOST))


def problems_of(template: object, path: FieldPath = ()) -> Iterator[tuple[FieldPath, ExpressionError]]:
    """Yield what is wrong with a template, and where in it."""
    if isinstance(template, str):
        try:
            body_of(template, _SAMPLE)
        except ExpressionError as error:
            yield path, error
    children = (
        template.items() if isinstance(template, dict) else enumerate(template) if isinstance(template, list) else ()
    )
    for step, child in children:
        yield from problems_of(child, (*path, step))


_SAMPLE = Notification(
    id="", kind=NotificationKind.DRIFT, group="", facts=json.dumps(FACTS), raised_at_ms=0, webhooks=()
)


def _event_of(one: Notification) -> Mapping[str, Any]:
    """What a template may use of a notification."""
    at = datetime.fromtimestamp(one.raised_at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    facts = json.loads(one.facts)
    return {**FACTS, **facts, "id": one.id, "kind": one.kind.value, "group": one.group, "at": at}


def _filled(value: object, scope: Mapping[str, object], references: References, tally: SizeLimit) -> object:
    if isinstance(value, str):
        compiled = compile_value(value, references, ("event",))
        made = compiled.value if isinstance(compiled, Constant) else compiled(scope)
        tally.add(made, value)
        return made
    if isinstance(value, dict):
        return {key: _filled(item, scope, references, tally) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, scope, references, tally) for item in value]
    return value
