"""Writes the references of manifests and of the project file from their JSON Schemas.

python scripts/docs_schema.py           writes docs/reference/manifest.md and project.md
python scripts/docs_schema.py --check   writes nothing; exits 1 when they are not what it would write
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wfdeploy.documents.explanation import type_words

ROOT = Path(__file__).parents[1]
PAGES = {
    "manifest": ("docs/reference/manifest.md", "manifest.schema.json"),
    "project": ("docs/reference/project.md", "project.schema.json"),
}

_NOTE = "<!-- Written by scripts/docs_schema.py from the schema; edit that instead. -->"
Schema = dict[str, Any]


def main(arguments: list[str]) -> int:
    """Write or check the pages; the exit status says whether all is well."""
    stale = []
    for name, (target, _) in PAGES.items():
        page, path = render(name), ROOT / target
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(page, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != page:
            stale.append(target)
    for target in stale:
        print(f"{target} is stale: run python scripts/docs_schema.py", file=sys.stderr)
    return 1 if stale else 0


def render(name: str) -> str:
    """The page of a schema, as Markdown."""
    file = PAGES[name][1]
    schema = json.loads((ROOT / "schemas" / file).read_text(encoding="utf-8"))
    lines = [
        f"# {schema['title']}",
        "",
        _NOTE,
        "",
        schema["description"],
        "",
        f"The schema is [`schemas/{file}`](../../schemas/{file}); `wfdeploy schema {name}` prints it. With the line",
        f"`# yaml-language-server: $schema=…/{file}` at the top of a file, editors complete and explain every field.",
        "",
    ]
    return "\n".join([*lines, *_section(schema, schema.get("$defs", {}), {})]).rstrip() + "\n"


def _section(
    schema: Schema, definitions: Schema, seen: dict[str, str], path: str = "", level: int = 2
) -> Iterator[str]:
    """A table of the fields of a mapping, then a section for each field that has fields of its own."""
    fields = {name: _resolved(field, definitions) for name, field in schema.get("properties", {}).items()}
    required = schema.get("required", [])
    yield "| field | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in fields.items():
        default = "**required**" if name in required else _default(field)
        yield f"| `{name}` | {_type(field)} | {default} | {_cell(field)} |"
    yield ""
    for name, field in fields.items():
        inner, suffix = _inner(field, definitions)
        if inner is None:
            continue
        inner_path = f"{path}{name}{suffix}"
        yield f"{'#' * min(level, 5)} `{inner_path}`"
        yield ""
        yield inner["description"]
        yield ""
        # Fields that stand in several places are explained at the first.
        first = seen.setdefault(json.dumps(inner), inner_path)
        if first != inner_path:
            yield f"The same as `{first}`."
            yield ""
            continue
        yield from _example(inner)
        yield from _section(inner, definitions, seen, f"{inner_path}.", level + 1)


def _inner(field: Schema, definitions: Schema) -> tuple[Schema | None, str]:
    """The mapping that a field holds (itself, one for each item, or one for each name), and how it is written."""
    if "properties" in field:
        return field, ""
    for key, suffix in (("items", "[]"), ("additionalProperties", ".NAME")):
        if isinstance(field.get(key), dict):
            inner = _resolved(field[key], definitions)
            if "properties" in inner:
                return inner, suffix
    return None, ""


def _resolved(field: Schema, definitions: Schema) -> Schema:
    if "$ref" not in field:
        return field
    return {**definitions[field["$ref"].removeprefix("#/$defs/")], **{k: v for k, v in field.items() if k != "$ref"}}


def _type(field: Schema) -> str:
    return _escaped(type_words(field, lambda value: f"`{value}`"))


def _default(field: Schema) -> str:
    """A default worth a word: not that there is nothing."""
    value = field.get("default")
    return "" if value is None or value in ({}, []) else _code(value)


def _cell(field: Schema) -> str:
    """Description, limits and examples, in one line of a table."""
    text = field["description"]
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None and high is not None:
        text += f" From {low} to {high}."
    elif low is not None:
        text += f" At least {low}."
    examples = [example for example in field.get("examples", []) if not isinstance(example, dict | list)]
    if examples and "enum" not in field:
        text += f" For example {', '.join(map(_code, examples))}."
    return _escaped(text)


def _escaped(text: str) -> str:
    """Bars would end a table's cell, inside of code too."""
    return re.sub(r"\|", r"\\|", text.replace("\n", " "))


def _code(value: object) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"


def _example(schema: Schema) -> Iterator[str]:
    for example in schema.get("examples", [])[:1]:
        yield "```yaml"
        yield from _yaml(example, 0)
        yield "```"
        yield ""


def _yaml(value: Any, indent: int) -> Iterator[str]:
    """An example as a person would write it: mappings on lines of their own, the rest in one line."""
    blank = " " * indent
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, dict) or (isinstance(item, list) and item and isinstance(item[0], dict)):
                yield f"{blank}{key}:"
                yield from _yaml(item, indent + 2)
            else:
                yield f"{blank}{key}: {_flow(item)}"
    elif isinstance(value, list):
        for item in value:
            first, *rest = list(_yaml(item, indent + 2)) or [blank]
            yield f"{blank}- {first.strip()}"
            yield from rest
    else:
        yield f"{blank}{_flow(value)}"


def _flow(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key}: {_flow(item)}' for key, item in value.items())} }}"
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9$/][^:#,\[\]{}\"]*(://[^#,\[\]{}\"\s]+)?", value):
        return value
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
