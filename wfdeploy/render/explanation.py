"""The explanation of a field, as text."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from wfdeploy.render.terminal import Style, Tone

_DOCUMENTS = {"manifest": "manifest", "project": "project file"}
_WIDTH = 100
_SENTENCE = re.compile(r"(?<=[.]) ")


def text(explained: Mapping[str, Any], style: Style, *, width: int | None) -> str:
    """Description, type, default, headers, an example, and the fields within. `width`: of the terminal, if any."""
    return "\n".join(_lines(explained, style, min(width or _WIDTH, _WIDTH))) + "\n"


def _lines(explained: Mapping[str, Any], style: Style, width: int) -> Iterator[str]:
    where = _DOCUMENTS[explained["document"]]
    name = explained["field"] or where
    yield f"{style(name, Tone.STRONG)}  {explained['title']}" + (f", in the {where}" if explained["field"] else "")
    yield ""
    yield from _filled(explained["description"], "  ", width)
    yield ""
    facts = list(_facts(explained))
    longest = max(len(label) for label, _ in facts)
    for label, value in facts:
        blank = " " * (longest + 2)
        first, *rest = _filled(value, blank, width)
        yield f"{style(f'{label}:', Tone.CALM)}{first[len(label) + 1 :]}"
        yield from rest
    if explained["examples"]:
        yield ""
        yield style("Example:", Tone.CALM)
        yield from textwrap.indent(_yaml(name, explained["examples"][0]), "  ").splitlines()
    if fields := explained["fields"]:
        yield ""
        yield style("Fields:", Tone.CALM)
        longest = max(len(field["name"]) for field in fields)
        for field in fields:
            required = ", required" if field["required"] else ""
            yield f"  {field['name']:<{longest}}  {field['type']}{required}"
            yield from _filled(_SENTENCE.split(field["description"])[0], " " * (longest + 4), width)


def _facts(explained: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    low, high = explained.get("minimum"), explained.get("maximum")
    limits = "" if low is None else f", at least {low:,}" if high is None else f", from {low:,} to {high:,}"
    yield "Type", f"{explained['type']}{limits}"
    if explained["required"]:
        yield "Required", "yes"
    elif explained["field"]:
        default = explained.get("default")
        yield "Default", "none" if default in (None, {}, []) else json.dumps(default, ensure_ascii=False).strip('"')
    for header in explained.get("headers", ()):
        yield "Header", f"{header['name']}: {header['example']} ({header['written']})"
    if explained["alsoAt"]:
        yield "Also at", ", ".join(explained["alsoAt"])


def _filled(paragraph: str, indent: str, width: int) -> Iterator[str]:
    yield from textwrap.wrap(
        paragraph,
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _yaml(name: str, example: object) -> str:
    """An example under the field's own name."""
    import yaml

    last = name.rpartition(".")[2].removesuffix("[]")
    value = example if name in _DOCUMENTS.values() else {last: example}
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1000)
