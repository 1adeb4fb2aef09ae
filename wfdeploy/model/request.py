"""The effective trigger request of a run, after defaults, variables and overrides; secrets stay references."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, TypeAlias, Union, cast

from wfdeploy.model.canonical import canonical_json, usual_json


@dataclass(frozen=True, slots=True)
class SecretRef:
    """`${{ secrets.NAME }}`: the name of a secret, never its value."""

    name: str

    def __str__(self) -> str:
        return f"${{{{ secrets.{self.name} }}}}"


@dataclass(frozen=True, slots=True)
class SecretText:
    """Text with at least one secret in it; `str()` shows the references."""

    parts: tuple[str | SecretRef, ...]

    def __str__(self) -> str:
        return "".join(map(str, self.parts))

    def resolve(self, secrets: Mapping[str, str]) -> str:
        """The text with the secrets' values put in. Raises: `KeyError` with the name of a missing secret."""
        return "".join(part if isinstance(part, str) else secrets[part.name] for part in self.parts)


Text: TypeAlias = str | SecretText
"""A string of a request; a `SecretText` when it holds a secret."""

BodyValue: TypeAlias = Union[bool, int, float, str, SecretText, "Sequence[BodyValue]", "Mapping[str, BodyValue]", None]
"""A structured body: JSON whose strings may be templates (keys may not)."""


class BodyKind(Enum):
    NONE = "none"
    JSON = "json"  # structured; sent in RFC 8785 form
    TEXT = "text"  # bodyText; sent as it is
    FILE = "file"  # bodyFile; sent as it is


class Body:
    """What is sent as the run's payload. Nobody changes one.

    kind: how it was given.
    file: the project-relative path of a FILE body, for display.
    """

    __slots__ = ("_is_usual", "_plain", "_value", "file", "kind")

    def __init__(self, kind: BodyKind = BodyKind.NONE, value: BodyValue = None, file: str | None = None) -> None:
        self.kind = kind
        self.file = file
        self._value = value
        self._plain = usual_json(value) if kind is BodyKind.JSON else None
        self._is_usual = self._plain is not None

    @property
    def value(self) -> BodyValue:
        """A `BodyValue` for JSON, `Text` for TEXT and FILE."""
        if self._value is None and self._plain is not None:
            return cast("BodyValue", json.loads(self._plain))
        return self._value

    def plain(self) -> bytes | None:
        """A JSON body without secrets in RFC 8785 form; None for any other body.

        Raises: `ValueError` as `canonical_json` does.
        """
        if self._plain is None and self.kind is BodyKind.JSON and not has_secret_text(self._value):
            self._plain = canonical_json(self._value)
        return self._plain

    @property
    def text(self) -> bytes | None:
        """Canonical text that gives the body again, but for the order of its keys; None where only the body itself
        does."""
        return self._plain if self._is_usual else None

    @classmethod
    def of_text(cls, text: bytes) -> Body:
        """The body with this text."""
        body = cls(BodyKind.JSON)
        body._value, body._plain, body._is_usual = None, text, True
        return body

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Body):
            return NotImplemented
        return (self.kind, self.file, self.value) == (other.kind, other.file, other.value)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = self.value if self._plain is None else self._plain.decode()  # whatever the order of the keys was
        return f"Body({self.kind}, {shown!r}, {self.file!r})"


NO_BODY = Body()


def has_secret_text(value: object) -> bool:
    """Whether some text of a body holds a secret."""
    if isinstance(value, SecretText):
        return True
    if isinstance(value, Mapping):
        return any(map(has_secret_text, value.values()))
    return isinstance(value, (list, tuple)) and any(map(has_secret_text, value))


@dataclass(frozen=True, slots=True)
class FlowControl:
    """Limits per key: `parallelism` runs at once, `rate` starts per `period_s` seconds."""

    key: Text
    parallelism: int | None = None
    rate: int | None = None
    period_s: int | None = None


@dataclass(frozen=True, slots=True)
class Redact:
    """What the server's logs hide: the body, all headers (`headers=True`) or the named ones."""

    body: bool = False
    headers: bool | tuple[str, ...] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How a run is delivered: never part of its identity unless the group says so. None means: not sent."""

    retries: int | None = None
    retry_delay: str | None = None  # an expression giving milliseconds
    delay_s: int | None = None
    not_before_s: int | None = None  # Unix seconds
    timeout_s: int | None = None
    labels: tuple[str, ...] = ()
    flow_control: FlowControl | None = None
    failure_url: Text | None = None
    failure_headers: Mapping[str, Text] = field(default_factory=dict)
    redact: Redact | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """All of a request but its body, as any number of runs share it: it is merged, checked and described once.

    destination: a URL.
    content_type: None where there is no body.
    headers: the forwarded ones, with the author's spelling; names are unique without regard to case.
    delivery: how the run is delivered.
    """

    destination: Text = ""
    content_type: str | None = None
    headers: Mapping[str, Text] = field(default_factory=dict)
    delivery: Delivery = Delivery()


class Request(NamedTuple):
    """What a run does (destination, content type, headers, body) and how it is delivered."""

    template: Template
    body: Body = NO_BODY
