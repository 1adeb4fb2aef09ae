"""Read the JSON of code hosts, of which nothing is certain."""

from __future__ import annotations

from typing import Any, TypeVar

from wfdeploy.errors import RemoteFailure
from wfdeploy.model.pull_request import Comment

_T = TypeVar("_T")


def require(kind: type[_T], value: object, name: str) -> _T:
    """A value of this type. Raises: `RemoteFailure` for anything else, in the name of the host."""
    if not isinstance(value, kind):
        raise RemoteFailure(f"{name}'s answer has not the expected form")
    return value


def text_field(value: object, field: str) -> str:
    """A field of an object; empty for one that isn't a text, or isn't there."""
    found = value.get(field) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def number_field(value: object, field: str) -> int | None:
    """A field of an object; None for one that isn't an integer, or isn't there."""
    found = value.get(field) if isinstance(value, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def comment_of(value: Any, name: str, *, url: str = "") -> Comment:
    """A comment with its id and body. `url`: the field with its address. Raises: `RemoteFailure`."""
    number = number_field(value, "id")
    if number is None:
        raise RemoteFailure(f"{name}'s answer has not the expected form")
    return Comment(str(number), text_field(value, "body"), text_field(value, url))
