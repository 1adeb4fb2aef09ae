"""A request as plain fields: what fingerprints cover, what the state records, what a plan compares."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Mapping
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, cast

from wfdeploy.model.canonical import canonical_json
from wfdeploy.model.request import Body, Delivery, Request, SecretText, Template, Text

P = ParamSpec("P")
T = TypeVar("T")

MAX_CACHED = 256
"""Results kept at once: runs come group by group, so few are in use at any time."""


class CachedByIdentity(Generic[P, T]):
    """A function that remembers the results for its last arguments: what thousands of runs share is worked out once.

    Arguments are compared by identity (the runs of a group hold the very same headers and delivery options), and held,
    so that no other object can take their place. Only for a function of values that nobody changes; its result is
    shared, so nobody may change that either.
    """

    def __init__(self, make: Callable[P, T]) -> None:
        self._make = make
        update_wrapper(self, make)
        self._results: dict[tuple[int, ...], tuple[object, T]] = {}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        assert not kwargs
        key = tuple(map(id, args))
        found = self._results.get(key)
        if found is None:
            if len(self._results) >= MAX_CACHED:
                self._results.clear()
            found = self._results[key] = (args, self._make(*args, **kwargs))
        return found[1]


Fields = dict[str, Any]
"""Field name, as the manifest spells it -> JSON value. Secrets appear as `${{ secrets.NAME }}`."""

LARGE_BODY = 4096
"""Bodies of more bytes than this are recorded by digest: the state stays small, the diff still sees a change."""


def describe(request: Request, redaction_key: bytes) -> Fields:
    """Everything about a request, for the state and for people: redacted values as keyed digests, large bodies by
    digest. Equal requests give equal fields."""
    delivery = request.template.delivery
    fields = doing(request) | delivery_fields(delivery)
    redact = delivery.redact
    if redact is not None:
        if redact.body and fields.get("body") is not None:
            fields["body"] = _keyed(redaction_key, fields["body"])
        hidden = redact.headers if isinstance(redact.headers, tuple) else ()
        names = {name.lower() for name in hidden}
        fields["headers"] = {
            name: _keyed(redaction_key, value) if redact.headers is True or name in names else value
            for name, value in fields["headers"].items()
        }
    body = fields.get("body")
    if body is not None:
        data = body.encode() if isinstance(body, str) else canonical_json(body)
        if len(data) > LARGE_BODY:
            from hashlib import sha256

            fields["body"] = f"sha256:{sha256(data).hexdigest()} ({len(data)} bytes)"
    return {name: value for name, value in fields.items() if value is not None and (name == "body" or value != {})}


_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode


_LONG_NUMBER = re.compile(rb"[0-9]{16}")


def recorded(request: Request, redaction_key: bytes) -> str:
    """`describe` as JSON text, for the state."""
    return "".join(recorded_parts(request, redaction_key))


def recorded_parts(request: Request, redaction_key: bytes) -> tuple[str, str]:
    """The text for the state in two parts: the body, which mostly is a run's own, and the suffix that runs share.

    The suffix is the same object for all runs of a template; it may be empty.
    """
    body, redact = request.body.plain(), request.template.delivery.redact
    if body is None or body == b"null" or len(body) > LARGE_BODY or (redact is not None and redact.body):
        return _encode(describe(request, redaction_key)), ""
    # RFC 8785 writes 1e17 as an integer, which Python would read as one. Counting digits is cheaper than searching for
    # sixteen in a row, and mostly enough.
    digits = len(body) - len(body.translate(None, b"0123456789"))
    if digits >= 16 and _LONG_NUMBER.search(body):
        return _encode(describe(request, redaction_key)), ""
    return f'{{"body":{body.decode()}', _shared_suffix(request.template, redaction_key)


class Recorder:
    """Gives requests as the state records them, in two parts: the body, and the suffix shared with an earlier request.

    The suffix is empty where no earlier one has it; then the first part is all of the request.
    """

    _MAX_SEEN = 1000

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, request: Request, redaction_key: bytes) -> tuple[str, str]:
        body, suffix = recorded_parts(request, redaction_key)
        if suffix in self._seen:
            return body, suffix
        if len(self._seen) >= self._MAX_SEEN:
            self._seen.clear()
        self._seen.add(suffix)
        return body + suffix, ""


@CachedByIdentity
def _shared_suffix(template: Template, redaction_key: bytes) -> str:
    """What follows the body, which is the first of the fields in their order."""
    fields = _encode(describe(Request(template), redaction_key))[1:]
    return fields if fields == "}" else f",{fields}"


def doing(request: Request) -> Fields:
    """What a run does: destination, content type, headers (lower-case names), body. The values are shared."""
    template = request.template
    return {
        "destination": str(template.destination),
        "contentType": template.content_type,
        "headers": _headers(template.headers),
        "body": shown(request.body),
    }


@CachedByIdentity
def _headers(headers: Mapping[str, Text]) -> Fields:
    return {name.lower(): str(value) for name, value in headers.items()}


@CachedByIdentity
def delivery_fields(delivery: Delivery) -> Fields:
    """How a run is delivered; fields that aren't set are left out. Shared: not to be changed."""
    flow = delivery.flow_control
    redact = delivery.redact
    fields: Fields = {
        "retries": delivery.retries,
        "retryDelay": delivery.retry_delay,
        "delay": delivery.delay_s,
        "notBefore": delivery.not_before_s,
        "timeout": delivery.timeout_s,
        "labels": list(delivery.labels),
        "flowControl": None
        if flow is None
        else _set({"key": str(flow.key), "parallelism": flow.parallelism, "rate": flow.rate, "period": flow.period_s}),
        "failureUrl": None if delivery.failure_url is None else str(delivery.failure_url),
        "failureHeaders": {name.lower(): str(value) for name, value in delivery.failure_headers.items()},
        "redact": None
        if redact is None
        else {
            "body": redact.body,
            "headers": sorted(map(str.lower, redact.headers)) if isinstance(redact.headers, tuple) else redact.headers,
        },
    }
    return _set(fields)


def shown(body: Body) -> Any:
    """A body as JSON with templates as text; None where there is none. One without templates is given as it is."""
    return body.value if body.plain() is not None else _shown(body.value)


def secret_places(request: Request) -> list[list[object]]:
    """Where the secrets are: `[path, [literal | {"secret": name}, ...]]`, sorted.

    A fingerprint covers these beside the text, so that a literal `${{ secrets.X }}` and a reference differ.
    """
    places: list[list[object]] = []
    template = request.template
    _collect(template.destination, "destination", places)
    for name, value in template.headers.items():
        _collect(value, f"headers.{name.lower()}", places)
    if request.body.plain() is None:
        _collect(request.body.value, "body", places)
    return sorted(places, key=lambda place: str(place[0]))


def secret_names(request: Request, *, body: bool = True) -> set[str]:
    """The names of all secrets that a request needs, delivery options included; without `body`, all but the body's."""
    template = request.template
    delivery = template.delivery
    values: list[object] = [template.destination, delivery.failure_url, *template.headers.values()]
    if body:
        values.append(request.body.value)
    values.extend(delivery.failure_headers.values())
    if delivery.flow_control is not None:
        values.append(delivery.flow_control.key)
    places: list[list[object]] = []
    for value in values:
        _collect(value, "", places)
    return {
        str(part["secret"]) for _, parts in places for part in cast("list[object]", parts) if isinstance(part, dict)
    }


def _shown(value: object) -> object:
    if isinstance(value, SecretText):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shown(item) for item in value]
    return value


def _collect(value: object, path: str, places: list[list[object]]) -> None:
    if value is None or type(value) is str:
        return
    if isinstance(value, SecretText):
        places.append([path, [part if isinstance(part, str) else {"secret": part.name} for part in value.parts]])
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _collect(item, f"{path}/{key.replace('~', '~0').replace('/', '~1')}", places)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _collect(item, f"{path}/{index}", places)


def _set(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value not in (None, {}, [])}


def _keyed(key: bytes, value: object) -> str:
    """A redacted value's stand-in: equal values look equal, nothing can be guessed without the state's key."""
    data = value.encode() if isinstance(value, str) else canonical_json(value)
    return f"redacted:{hmac.digest(key, data, 'sha256').hex()[:16]}"
