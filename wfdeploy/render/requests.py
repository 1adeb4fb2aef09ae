"""Effective requests, as YAML documents for people and as JSON for programs; both are streamed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from wfdeploy.model.blocking import instant
from wfdeploy.model.status import Rendered
from wfdeploy.render.encode import document, source_fields
from wfdeploy.render.terminal import Style, Tone, json_safe, plain, printable


def text(requests: Iterable[Rendered], style: Style = plain) -> Iterator[str]:
    """One YAML document per run, with its source in a comment."""
    for shown in requests:
        place = style(f"  # {printable(str(shown.source))}", Tone.FAINT)
        lines = ["---", f"address: {_value(shown.address)}{place}"]
        if shown.example_s is not None:
            note = (
                f"# recurring: {instant(shown.example_s)} is made up and stands for the time of any instance; "
                f"{printable(shown.address)}@TIME shows the one of that time"
            )
            lines.append(style(note, Tone.FAINT))
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
    """The pieces of `{"formatVersion":1,"requests":[…]}`, one run per line."""
    return document({}, "requests", map(_fields, requests))


def _fields(shown: Rendered) -> Mapping[str, object]:
    named = {} if shown.workflow_run_id is None else {"workflowRunId": shown.workflow_run_id}
    return {
        "address": shown.address,
        "source": source_fields(shown.source),
        "fingerprint": shown.fingerprint,
        **named,
        **({} if shown.example_s is None else {"exampleTime": instant(shown.example_s)}),
        "request": shown.fields,
    }


def _value(value: object) -> str:
    """A value as JSON, which is also YAML."""
    return json_safe(json.dumps(value, ensure_ascii=False))
