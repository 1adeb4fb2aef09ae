"""The effective trigger request of a run, after defaults, variables and overrides; secrets stay references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, TypeAlias, Union

from wfdeploy.model.canonical import canonical_json, even_json, simple_json


@dataclass(frozen=True, slots=True)
class SecretRef:
    """`${{ secrets.NAME }}`: the name of a secret, never its value."""

    name: str

    def __str__(self) -> str:
        return f"${{{{ secrets.{self.name} }}}}"


@dataclass(frozen=True, slots=True)
class Template:
    """Text with at least one secret in it; `str()` shows the references."""

    parts: tuple[str | SecretRef, ...]

    def __str__(self) -> str:
        return "".join(map(str, self.parts))

    def resolve(self, secrets: Mapping[str, str]) -> str:
        """The text with the secrets' values put in. Raises: `KeyError` with the name of a missing secret."""
        return "".join(part if isinstance(part, str) else secrets[part.name] for part in self.parts)


Text: TypeAlias = str | Template
"""A string of a request; a `Template` when it holds a secret."""

JsonValue: TypeAlias = Union[bool, int, float, str, "Sequence[JsonValue]", "Mapping[str, JsonValue]", None]
BodyValue: TypeAlias = Union[bool, int, float, str, Template, "Sequence[BodyValue]", "Mapping[str, BodyValue]", None]
"""A structured body: JSON whose strings may be templates (keys may not)."""


class BodyKind(Enum):
    NONE = "none"
    JSON = "json"  # structured; sent in RFC 8785 form
    TEXT = "text"  # bodyText; sent as it is
    FILE = "file"  # bodyFile; sent as it is


@dataclass(slots=True)
class Body:
    """What is sent as the run's payload. `value` is a `BodyValue` for JSON, `Text` for TEXT and FILE.

    Nobody changes one. It isn't frozen, since there is one for each run, and making it would take three times as long.
    """

    kind: BodyKind = BodyKind.NONE
    value: BodyValue = None
    file: str | None = None  # project-relative path of a FILE body, for display
    is_even: bool = field(default=False, repr=False, compare=False)  # as in `Document.is_even`
    _plain: bytes | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def even(cls, value: BodyValue, plain: bytes) -> Body:
        """The body of a value that has but one form as JSON, which is known: in RFC 8785 form, `plain`."""
        body = cls(BodyKind.JSON, value, None, True)
        body._plain = plain
        return body

    def plain(self) -> bytes | None:
        """A JSON body without secrets in RFC 8785 form, worked out once; None for any other body.

        Raises: `ValueError` as `canonical_json` does.
        """
        found = self._plain
        if found is None and self.kind is BodyKind.JSON:
            found = even_json(self.value) if self.is_even else simple_json(self.value)
            if found is None and not has_template(self.value):
                found = canonical_json(self.value)
            self._plain = found
        return found


def has_template(value: object) -> bool:
    """Whether some text of a body holds a secret."""
    if isinstance(value, Template):
        return True
    if isinstance(value, Mapping):
        return any(map(has_template, value.values()))
    return isinstance(value, (list, tuple)) and any(map(has_template, value))


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
    """How a run is delivered: never part of its identity unless the group says so. `None` means: not sent."""

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


_NO_HEADERS: Mapping[str, Text] = {}


class Request(NamedTuple):
    """What a run does (destination, content type, headers, body) and how it is delivered.

    `headers` are the forwarded ones, with the author's spelling; names are unique without regard to case.
    """

    destination: Text
    content_type: str | None = None
    headers: Mapping[str, Text] = _NO_HEADERS
    body: Body = Body()
    delivery: Delivery = Delivery()
