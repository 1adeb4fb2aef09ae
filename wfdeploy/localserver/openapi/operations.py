"""An operation of the API: its path, its parameters, its body and its answers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

Schema = Mapping[str, Any]
"""A JSON Schema, Draft 2020-12."""

Handler = Callable[[Any, Request], Awaitable[Response]]
"""A method of one of the API's classes."""

_CONVERTOR = re.compile(r":[a-z]+(?=\})")
_NAME = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Param:
    name: str
    where: Literal["path", "query", "header"]
    description: str
    schema: Schema = field(default_factory=lambda: {"type": "string"})

    def document(self) -> dict[str, Any]:
        described = {"name": self.name, "in": self.where, "description": self.description, "schema": self.schema}
        return {**described, "required": True} if self.where == "path" else described


@dataclass(frozen=True, slots=True)
class RequestBody:
    """A request's body. `content`: the schema per media type."""

    description: str
    content: Mapping[str, Schema]
    required: bool = True

    def document(self) -> dict[str, Any]:
        content = {media: {"schema": schema} for media, schema in self.content.items()}
        return {"description": self.description, "required": self.required, "content": content}


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """An answer. `schema` None: an empty body."""

    status: int
    description: str
    schema: Schema | None = None
    feeds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """OpenAPI links: the id of a follow-up operation -> its parameters, each with its place in this answer."""

    def document(self) -> dict[str, Any]:
        described: dict[str, Any] = {"description": self.description}
        if self.schema is not None:
            described["content"] = {"application/json": {"schema": self.schema}}
        if self.feeds:
            described["links"] = {
                name: {"operationId": name, "parameters": found} for name, found in self.feeds.items()
            }
        return described


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    route: str
    """Method and path, as in `GET /v2/keys`. In the router's notation, `{url:path}` may contain slashes."""
    handler: Handler
    summary: str
    answer: ApiAnswer
    _: KW_ONLY
    description: str = ""
    params: tuple[Param, ...] = ()
    """Without the parameters in the path."""
    body: RequestBody | None = None
    refusals: Mapping[int, str] = field(default_factory=dict)
    """Status -> reason, without the refusals that every operation has."""
    is_open: bool = False
    """Needs no token."""

    @property
    def method(self) -> str:
        return self.route.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.route.partition(" ")[2]

    @property
    def reads_only(self) -> bool:
        """Whether a read-only token is enough."""
        return self.method == "GET"

    @property
    def id(self) -> str:
        """An id such as `Dlq.resume`; with the method for handlers of several methods."""
        name = self.handler.__qualname__.replace("Api.", ".")
        return f"{name}.{self.method.lower()}" if self.is_open else name

    @property
    def public_path(self) -> str:
        return _CONVERTOR.sub("", self.path)

    @property
    def all_params(self) -> tuple[Param, ...]:
        return (*(_IN_PATHS[name] for name in _NAME.findall(self.public_path)), *self.params)


@dataclass(frozen=True, slots=True)
class Area:
    """Operations that one class handles."""

    tag: str
    api: Callable[[Any], Any]
    """The class of the handlers, called with the server's `Services`."""
    operations: tuple[Operation, ...]
    is_metered: bool = False
    """Whether a limit of requests per second applies."""


def text(description: str = "", **more: Any) -> dict[str, Any]:
    return _typed("string", description, more)


def whole(description: str = "", **more: Any) -> dict[str, Any]:
    return _typed("integer", description, more)


def boolean(description: str = "") -> dict[str, Any]:
    return _typed("boolean", description, {})


def millis(description: str) -> dict[str, Any]:
    """A time in Unix milliseconds."""
    return whole(f"{description}, in Unix milliseconds", format="int64")


def listed(items: Schema, description: str = "", **more: Any) -> dict[str, Any]:
    return _typed("array", description, {"items": items, **more})


def shape(properties: Mapping[str, Schema], *, required: tuple[str, ...] = (), description: str = "") -> dict[str, Any]:
    """An object with these properties and no others."""
    more: dict[str, Any] = {"properties": dict(properties), "additionalProperties": False}
    return _typed("object", description, more | ({"required": list(required)} if required else {}))


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _typed(kind: str, description: str, more: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": kind, **({"description": description} if description else {}), **more}


def _in_path(name: str, description: str, **more: Any) -> Param:
    return Param(name, "path", description, text(**(more or {"minLength": 1})))


_IN_PATHS = {
    param.name: param
    for param in (
        _in_path("url", "the destination, percent-encoded or not", format="uri"),
        _in_path("workflowRunId", "the run's id"),
        _in_path("eventId", "the event's id"),
        _in_path("user", "the webhook's user"),
        _in_path("dlqId", "the entry's id"),
        _in_path("flowControlKey", "the key"),
    )
}
