"""Fingerprints: equal fingerprint, equal intent.

A fingerprint is `<version>:<digest>`. It covers what a run does: destination, content type, forwarded headers, body
bytes; secrets by reference. A group's `identity` may widen or narrow that. A version, once released, never changes:
records are compared under the version they were written with.

Version 1 is that of runs with a derived workflow run id. Where the author gave an id (`workflowRunId`), version 2
covers it too: by changing the id, the author requests another run.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from wfdeploy.manifests.identify.describe import (
    CachedByIdentity,
    Fields,
    delivery_fields,
    doing,
    secret_names,
    secret_places,
    shown,
)
from wfdeploy.manifests.identify.digest import CURRENT, WITH_OWN_ID, digest
from wfdeploy.model.canonical import canonical_json
from wfdeploy.model.request import Body, BodyKind, Delivery, Request, Template, has_secret_text
from wfdeploy.model.run import DeclaredRun, DesiredRun, Identity
from wfdeploy.model.workflow_id import id_key


def identify(run: DeclaredRun, file: int = 0, number: int = 0) -> DesiredRun:
    """Give a declared run its identity.

    file, number: where its request is found again.
    """
    address, group, source, (template, body), own_id = run
    shared = _shared(template, group.identity)
    return DesiredRun(
        address,
        _fingerprint(template, body, shared.beside_body, group.identity, own_id),
        shared.delivery,
        group,
        source,
        own_id,
        file,
        number,
        template.delivery.delay_s,
        template.delivery.not_before_s,
        shared.has_secrets or (body.plain() is None and has_secret_text(body.value)),
    )


class _Shared(NamedTuple):
    """What the runs of one template have in common.

    beside_body: the canonical form of what they do, after the body; None where that takes all of their fields.
    """

    delivery: str
    has_secrets: bool
    beside_body: bytes | None


@CachedByIdentity
def _shared(template: Template, identity: Identity) -> _Shared:
    request = Request(template)
    beside_body = None
    if not (identity.include or identity.exclude or secret_places(request)):
        fields = doing(request)
        del fields["body"]
        beside_body = canonical_json(fields)[1:]
    return _Shared(delivery_digest(template.delivery), bool(secret_names(request)), beside_body)


def fingerprint(request: Request, identity: Identity, own_id: str | None = None) -> str:
    """The fingerprint of a request, and of the workflow run id that its author gave it (None: it is derived)."""
    template, body = request
    return _fingerprint(template, body, _shared(template, identity).beside_body, identity, own_id)


def _fingerprint(
    template: Template, body: Body, beside_body: bytes | None, identity: Identity, own_id: str | None
) -> str:
    plain = body.plain()
    if plain is None or beside_body is None:
        request = Request(template, body)
        covered = digest(canonical_json(_fields_1(request, identity, secret_places(request))))
    else:  # the same bytes, of which only the body is this run's own
        covered = digest(b'{"body":"%b",%b' % (sha256(plain).hexdigest().encode(), beside_body))
    if own_id is None:
        return f"{CURRENT}:{covered}"
    return f"{WITH_OWN_ID}:{digest(canonical_json([covered, id_key(own_id)]))}"


def fingerprint_as(text: str, request: Request, identity: Identity, own_id: str | None) -> str | None:
    """The fingerprint of a request under the version of another one; None where that version can't be computed here,
    or isn't for such a run."""
    match version_of(text):
        case 1:  # of a run with an own id too: earlier builds left the id out
            return fingerprint(request, identity)
        case 2 if own_id is not None:
            return fingerprint(request, identity, own_id)
        case _:
            return None


def version_of(text: str) -> int:
    """The version of a fingerprint."""
    return int(text.partition(":")[0])


@CachedByIdentity
def delivery_digest(delivery: Delivery) -> str:
    """A short digest over how a run is delivered; equal options, equal digest."""
    return digest(canonical_json(delivery_fields(delivery)))[:13]


def _body_digest(body: Body) -> str | None:
    plain = body.plain()
    if plain is not None:
        return sha256(plain).hexdigest()
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
        options = delivery_fields(request.template.delivery)
        fields["also"] = {name: options.get(name) for name in identity.include}
    for path in identity.exclude:
        name, _, rest = path.partition(".")
        if not rest:
            fields.pop(name, None)
        elif isinstance(fields.get(name), dict):
            fields[name] = {key: value for key, value in fields[name].items() if key != rest.lower()}
    return fields
