"""Messages for people, made of jsonschema's errors."""

from __future__ import annotations

import ast
import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from wfdeploy.model.document import FieldPath, dotted

ValidationError: TypeAlias = Any
"""`jsonschema.ValidationError`: what its attributes hold depends on the keyword, which the type can't express."""

_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}

# Where people look for a field that stands elsewhere, or know it by the API's name.
_ELSEWHERE = {
    "url": "the field is called destination",
    "workflowUrl": "the field is called destination",
    "id": "the field is called workflowRunId",
    "label": "the field is called labels, and is a list",
    "retry": "the field is called retries",
    "payload": "the field is called body",
    "data": "the field is called body",
    "failureCallback": "the field is called failureUrl",
    "runId": "the field is called workflowRunId",
    "foreach": "the field is called forEach",
    "with": "the field is called forEach",
    "strategy": "matrix stands directly in the run",
    "env": "variables stand in wfdeploy.yaml, under spec.vars",
}

_MANY = 200
"""Names among which a similar one is looked for, and which are listed: columns of a table may be more."""

_TIMES = ("Earliest time", "Earliest instance", "Latest instance")
"""Titles of fields that are moments."""

_PARTLY = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2}(?:\.[0-9]+)?)?)?"
    r" ?(?:([Zz]|UTC|GMT)|([+-][0-9]{2}):?([0-9]{2}))?"
)
"""A timestamp of which something may be missing."""

_WORD = r"(?!(?:true|false|null)\b)[A-Za-z][A-Za-z0-9._-]*"
_WORDS = re.compile(rf"{_WORD}(, ?{_WORD})*", re.IGNORECASE)
"""What is text without quotes, also within brackets."""

# Titles of fields whose form is a set of characters.
_FORMS = {
    "Group name": "lower-case letters, digits and hyphens",
    "Project name": "lower-case letters, digits and hyphens",
    "Project uid": "lower-case letters, digits and hyphens",
    "Run name": "letters, digits, '.', '_' and '-', a letter or digit at both ends",
    "Workflow run id": "letters, digits, '.', '_' and '-'",
    "Delimiter of cells": 'one character; a tab is written "\\t"',
    "Items": "a list, or one expression that gives a list",
    "Axis": "a list, or one expression that gives a list",
}


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """What is wrong at a path of a document.

    at_key: the key is what is wrong, not its value.
    hint_of: gives the hint, from the text of a scalar as the file has it: `007` is read as 7, and `1.10` as 1.1.
    """

    code: str
    message: str
    path: FieldPath
    hint: str | None = None
    at_key: bool = False
    hint_of: Callable[[str], str | None] | None = None


def _in_python(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None


def explain(
    error: ValidationError, path: FieldPath, *, matches: Callable[[str, str], bool] = _in_python
) -> Iterator[SchemaProblem]:
    """Explain one error of a validator, as one or more problems.

    matches: whether a text holds a match of a pattern. The default is for our own schemas: an author's pattern may take
    Python for ever.
    """
    name = dotted(path[-1:]) if path and isinstance(path[-1], str) else dotted(path[-2:])
    match error.validator:
        case "additionalProperties":
            for key in error.instance:
                if key not in error.schema.get("properties", {}):
                    yield _unknown_field(key, error.schema.get("properties", {}), path)
        case "required":
            # jsonschema gives one error for each missing field and names it in the message only.
            missing = ast.literal_eval(error.message.rpartition(" is a required ")[0])
            where = f"{dotted(path)}: " if path and not isinstance(path[-1], int) else ""
            hint = _example_hint(missing, error.schema.get("properties", {}).get(missing, {}))
            yield SchemaProblem("missing-field", f"{where}the field {missing} is missing", path, hint)
        case "dependentRequired":
            for field, needed in error.validator_value.items():
                for missing in needed:
                    if field in error.instance and missing not in error.instance:
                        hint = _example_hint(missing, error.schema.get("properties", {}).get(missing, {}))
                        yield SchemaProblem("missing-field", f"{field} needs the field {missing}", path, hint)
        case "type":
            yield _wrong_type(name, error, path, matches)
        case "enum":
            yield _not_one_of(name, error, path)
        case "pattern" if "propertyNames" in error.absolute_schema_path:
            message = f"{error.instance!r} can't be a name here: {_title(error.parent or error)}"
            yield SchemaProblem("bad-name", message, (*path, error.instance), at_key=True)
        case "pattern":
            yield _bad_form(name, error, path)
        case "minimum" | "exclusiveMinimum":
            word = "at least" if error.validator == "minimum" else "more than"
            message = f"{name} is {error.instance}; it must be {word} {error.validator_value}"
            yield SchemaProblem("too-small", message, path)
        case "maximum":
            yield _too_large(name, error, path)
        case "minLength" | "minItems" | "minProperties":
            yield SchemaProblem("empty", f"{name} is empty", path)
        case "uniqueItems":
            yield SchemaProblem("repeated", f"{name} holds {_repeated(error.instance)} more than once", path)
        case _:
            yield SchemaProblem("invalid", f"{name}: {error.message}", path)


def kind_of(value: object) -> str:
    """What a value is, for people: `the text 'abc'`, `a list`, `null`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {shortened(value)}"
    return "a mapping" if isinstance(value, dict) else "a list"


def shortened(text: str) -> str:
    """A text in quotes, cut where it would flood the line."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint with the closest known name; None when none is close. A difference of case alone is always close."""
    closest = _closest(name, tuple(known))
    return f"did you mean {closest!r}?" if closest is not None else None


@lru_cache(maxsize=1024)  # the search is slow, and one misspelling may stand in a hundred thousand runs
def _closest(name: str, names: tuple[str, ...]) -> str | None:
    if len(names) > _MANY:
        return None
    for candidate in names:
        if candidate.lower() == name.lower():
            return candidate
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.6)), None)


def _unknown_field(key: str, known: dict[str, Any], path: FieldPath) -> SchemaProblem:
    hint = did_you_mean(key, known)
    if hint is None and key in _ELSEWHERE:
        hint = _ELSEWHERE[key]
    if hint is None and key == "destination":
        hint = "the group's destination is spec.destination; a run may have its own"
    if hint is None and 0 < len(known) <= _MANY:
        hint = f"available: {', '.join(known)}"
    return SchemaProblem("unknown-field", f"the field {key!r} is not known here", (*path, key), hint, at_key=True)


def _wrong_type(
    name: str, error: ValidationError, path: FieldPath, matches: Callable[[str, str], bool]
) -> SchemaProblem:
    expected = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
    wanted = [_TYPES[kind] for kind in expected if kind != "null"] or ["null"]
    value = error.instance
    hint, hint_of = None, None
    if isinstance(value, str) and "${{" in value:
        hint = "expressions are evaluated in destination, headers, bodies, labels, failureUrl and flowControl.key only"
    elif isinstance(value, bool | int | float) and expected[0] == "string":
        hint, hint_of = "write it as text, in quotes", _quoting(error, matches)
    elif isinstance(value, str) and value.isdigit() and expected[0] in ("integer", "number"):
        hint = "remove the quotes"
    elif expected[0] == "array" and value is not None and not isinstance(value, dict):
        hint, hint_of = _listed(value, error.schema.get("items", {}))
    elif value is None:
        hint = "give it a value or leave it out"
        if "string" in expected:
            hint_of = _null_hint
    message = f"{name or 'this'} must be {_either(wanted)}, not {kind_of(value)}"
    return SchemaProblem("wrong-type", message, path, hint, hint_of=hint_of)


def _quoting(error: ValidationError, matches: Callable[[str, str], bool]) -> Callable[[str], str | None]:
    """The hint for a plain scalar that should be text: to quote what is written, where that would do."""

    def hint(written: str) -> str | None:
        fits = "pattern" not in error.schema or matches(error.schema["pattern"], written)
        return f"put quotes around it: {json.dumps(written)}" if fits else _form_hint(error)

    return hint


def _null_hint(written: str) -> str:
    hint = "give it a value or leave it out"
    return f"{hint}; the text is written {json.dumps(written)}" if written.isalpha() else hint


def _listed(value: object, items: dict[str, Any]) -> tuple[str | None, Callable[[str], str | None] | None]:
    """The hint for a scalar that should be a list."""
    if isinstance(value, str):
        return (
            f"a list is written [{value if _WORDS.fullmatch(value) else json.dumps(value, ensure_ascii=False)}]",
            None,
        )
    if items.get("type") == "string":
        return None, lambda written: f"a list is written [{json.dumps(written)}]"
    return None, lambda written: f"a list is written [{written}]"


def _too_large(name: str, error: ValidationError, path: FieldPath) -> SchemaProblem:
    value, most = error.instance, error.validator_value
    if _title(error) in _TIMES:
        for unit, per_second in (("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9)):
            if value // per_second <= most:
                message = f"{name} is {value}: these are {unit}, and Unix seconds are meant"
                return SchemaProblem("too-large", message, path, f"write {-(-int(value) // per_second)}")
    return SchemaProblem("too-large", f"{name} is {value}; it must be at most {most}", path)


def _time_hint(text: str) -> str | None:
    """What is missing of a timestamp. The zone is never guessed: UTC is proposed as one of many."""
    if text.isdigit():
        return "remove the quotes"
    match = _PARTLY.fullmatch(text)
    if match is None or not _is_day(match[1]):
        return None
    day, time, seconds, utc, hours, minutes = match.groups()
    has_zone = utc is not None or hours is not None
    missing = [
        what
        for what, given in (("the time", time), ("the seconds", seconds or not time), ("the zone", has_zone))
        if not given
    ]
    zone = f"{hours}:{minutes}" if hours is not None else "Z"
    whole = f"{day}T{time or '00:00'}{seconds or ':00'}{zone}"
    if not missing:
        return f"write {whole}"
    hint = f"add {' and '.join(missing)}: {whole}"
    return hint if has_zone else f"{hint} in UTC, or with an offset such as {whole.removesuffix('Z')}+01:00"


def _is_day(text: str) -> bool:
    from datetime import date

    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _not_one_of(name: str, error: ValidationError, path: FieldPath) -> SchemaProblem:
    values = [str(value) for value in error.validator_value]
    hint = did_you_mean(error.instance, values) if isinstance(error.instance, str) else None
    verb = "must be" if len(values) == 1 else "must be one of"
    message = f"{name} {verb} {', '.join(values)}, not {kind_of(error.instance)}"
    return SchemaProblem("not-allowed", message, path, hint)


def _bad_form(name: str, error: ValidationError, path: FieldPath) -> SchemaProblem:
    what = _title(error).lower() or name
    hint = _time_hint(error.instance) if _title(error) in _TIMES else None
    if "${{" in error.instance:
        hint = "expressions are not evaluated here"
    hint = hint or _form_hint(error)
    return SchemaProblem("bad-form", f"{name}: {shortened(error.instance)} is not a valid {what}", path, hint)


def _title(error: ValidationError) -> str:
    title = error.schema.get("title", "")
    return title if isinstance(title, str) else ""


def _form_hint(error: ValidationError) -> str | None:
    hint = _examples_hint(error)
    if _title(error) in _FORMS:
        hint = f"{_FORMS[_title(error)]}; {hint}" if hint else _FORMS[_title(error)]
    return hint


def _examples_hint(error: ValidationError) -> str | None:
    examples = error.schema.get("examples", [])
    shown = ", ".join(str(example) for example in examples if not isinstance(example, dict | list))
    return f"for example {shown}" if shown else None


def _example_hint(name: str, schema: dict[str, Any]) -> str | None:
    for example in schema.get("examples", []):
        if isinstance(example, str | int | float):
            return f"for example '{name}: {example}'"
    return None


def _repeated(items: list[object]) -> str:
    for index, item in enumerate(items):
        if item in items[:index]:
            return kind_of(item)
    return "an item"


def _either(options: list[str]) -> str:
    return options[0] if len(options) == 1 else f"{', '.join(options[:-1])} or {options[-1]}"
