"""Fingerprints: equal fingerprint, equal intent.

A fingerprint is `<version>:<digest>`. It covers what a run does: destination, content type, forwarded headers, body
bytes; secrets by reference. A group's `identity` may widen or narrow that. A version, once released, never changes:
records are compared under the version they were written with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from types import MappingProxyType

from wfdeploy.model.canonical import canonical_json
from wfdeploy.model.request import Body, BodyKind, Delivery, Request, Text
from wfdeploy.model.run import DeclaredRun, DesiredRun, Identity
from wfdeploy.pipeline.identify.describe import (
    Fields,
    delivery_fields,
    doing,
    has_template,
    secret_names,
    secret_places,
    shown,
)
from wfdeploy.pipeline.identify.digest import digest
from wfdeploy.pipeline.identify.kept import Kept

CURRENT = 1
"""The version that new fingerprints get."""


def identify(run: DeclaredRun, file: int = 0, number: int = 0) -> DesiredRun:
    """Give a declared run its identity. `file`, `number`: where its request is found again."""
    request = run.request
    delay_s, not_before_s, has_secrets = _shared(request.destination, request.headers, request.delivery)
    return DesiredRun(
        run.address,
        fingerprint(request, run.group.identity),
        _delivery_digest(request.delivery),
        run.group,
        run.source,
        run.workflow_run_id,
        file,
        number,
        delay_s,
        not_before_s,
        has_secrets or has_template(request.body.value),
    )


@Kept
def _shared(destination: Text, headers: Mapping[str, Text], delivery: Delivery) -> tuple[int | None, int | None, bool]:
    request = Request(destination=destination, headers=headers, delivery=delivery)
    return delivery.delay_s, delivery.not_before_s, bool(secret_names(request))


def fingerprint(request: Request, identity: Identity, version: int = CURRENT) -> str:
    """The fingerprint of a request under a version.

    Raises: `KeyError` for a version that this wfdeploy doesn't know.
    """
    return f"{version}:{_VERSIONS[version](request, identity)}"


def version_of(text: str) -> int:
    """The version of a fingerprint."""
    return int(text.partition(":")[0])


def is_known(version: int) -> bool:
    """Whether fingerprints of this version can be computed here."""
    return version in _VERSIONS


@Kept
def _delivery_digest(delivery: Delivery) -> str:
    return digest(canonical_json(delivery_fields(delivery)))[:13]


def delivery_digest(request: Request) -> str:
    """A short digest over how a run is delivered; equal options, equal digest."""
    return _delivery_digest(request.delivery)


def _version_1(request: Request, identity: Identity) -> str:
    secrets = secret_places(request)
    if secrets or identity.include or identity.exclude:
        return digest(canonical_json(_fields_1(request, identity, secrets)))
    # The same bytes, of which only the body is this run's own.
    body = _body_digest(request.body)
    own = b"null" if body is None else b'"%b"' % body.encode()
    return digest(b'{"body":%b,%b' % (own, _beside_body(request.destination, request.content_type, request.headers)))


@Kept
def _beside_body(destination: Text, content_type: str | None, headers: Mapping[str, Text]) -> bytes:
    """The canonical form of what a run without secrets does, after its body."""
    fields = doing(Request(destination=destination, content_type=content_type, headers=headers))
    del fields["body"]
    return canonical_json(fields)[1:]


def _body_digest(body: Body) -> str | None:
    value = shown(body)
    if value is None:
        return None
    data = value.encode() if body.kind in (BodyKind.TEXT, BodyKind.FILE) else canonical_json(value)
    return sha256(data).hexdigest()


def _fields_1(request: Request, identity: Identity, secrets: list[list[object]]) -> Fields:
    """What version 1 covers."""
    fields = doing(request)
    fields["body"] = _body_digest(request.body)
    if secrets:
        fields["secrets"] = secrets
    if identity.include:
        options = delivery_fields(request.delivery)
        fields["also"] = {name: options.get(name) for name in identity.include}
    for path in identity.exclude:
        name, _, rest = path.partition(".")
        if not rest:
            fields.pop(name, None)
        elif isinstance(fields.get(name), dict):
            fields[name] = {key: value for key, value in fields[name].items() if key != rest.lower()}
    return fields


_VERSIONS: Mapping[int, Callable[[Request, Identity], str]] = MappingProxyType({1: _version_1})
