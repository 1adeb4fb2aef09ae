"""Effective requests: as YAML documents for people, as JSON for programs; both written as they are read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from wfdeploy.model.status import Rendered
from wfdeploy.render.encode import document, source_fields
from wfdeploy.render.printable import json_safe, printable
from wfdeploy.render.style import Style, Tone, plain


def text(requests: Iterable[Rendered], style: Style = plain) -> Iterator[str]:
    """One YAML document for each run, its address and where it comes from in a comment."""
    for shown in requests:
        place = style(f"  # {printable(str(shown.source))}", Tone.FAINT)
        lines = ["---", f"address: {_value(shown.address)}{place}"]
        if shown.workflow_run_id is not None:
            lines.append(f"workflowRunId: {_value(shown.workflow_run_id)}")
        for name, value in shown.fields.items():
            if isinstance(value, dict) and value:
                lines.append(f"{name}:")
                lines += [f"  {_value(key)}: {_value(item)}" for key, item in value.items()]
            else:
                lines.append(f"{name}: {_value(value)}")
        yield "\n".join(lines) + "\n"


def json_text(requests: Iterable[Rendered]) -> Iterator[str]:
    """`{"formatVersion":1,"requests":[…]}`, one run a line, in pieces."""
    return document({}, "requests", map(_fields, requests))


def _fields(shown: Rendered) -> Mapping[str, object]:
    named = {} if shown.workflow_run_id is None else {"workflowRunId": shown.workflow_run_id}
    return {
        "address": shown.address,
        "source": source_fields(shown.source),
        "fingerprint": shown.fingerprint,
        **named,
        "request": shown.fields,
    }


def _value(value: object) -> str:
    """A value as JSON, which is YAML too."""
    return json_safe(json.dumps(value, ensure_ascii=False))
