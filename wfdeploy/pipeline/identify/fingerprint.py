"""Fingerprints: equal fingerprint, equal intent.

A fingerprint is `<version>:<digest>`. It covers what a run does: destination, content type, forwarded headers, body
bytes; secrets by reference. A group's `identity` may widen or narrow that. A version, once released, never changes:
records are compared under the version they were written with.

Version 1 is that of runs with a derived workflow run id. Where the author gave an id (`workflowRunId`), version 2
covers it too: changing the id is how the author asks for another run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from wfdeploy.model.alike import DeclaredAlike, DesiredAlike, Shared
from wfdeploy.model.canonical import canonical_json
from wfdeploy.model.request import Body, BodyKind, Delivery, Request, Text, has_template
from wfdeploy.model.run import DeclaredRun, DesiredRun, Identity
from wfdeploy.model.workflow_id import id_key
from wfdeploy.pipeline.identify.describe import (
    Fields,
    delivery_fields,
    doing,
    secret_names,
    secret_places,
    shown,
)
from wfdeploy.pipeline.identify.digest import digest, digests
from wfdeploy.pipeline.identify.kept import Kept
from wfdeploy.pipeline.identify.version import CURRENT, WITH_OWN_ID


def identify(run: DeclaredRun, file: int = 0, number: int = 0) -> DesiredRun:
    """Give a declared run its identity. `file`, `number`: where its request is found again."""
    request = run.request
    delay_s, not_before_s, has_secrets, delivery = _shared(request.destination, request.headers, request.delivery)
    return DesiredRun(
        run.address,
        fingerprint(request, run.group.identity, run.workflow_run_id),
        delivery,
        run.group,
        run.source,
        run.workflow_run_id,
        file,
        number,
        delay_s,
        not_before_s,
        has_secrets or (request.body.plain() is None and has_template(request.body.value)),
    )


def identify_together(runs: DeclaredAlike, file: int, numbers: Sequence[int]) -> DesiredAlike | None:
    """The same for runs that are alike; None where they have to be identified one by one."""
    fingerprints = _version_1_together(runs)
    if fingerprints is None:
        return None
    shared = {id(model): _shared(model.destination, model.headers, model.delivery) for model in runs.distinct_models}
    return DesiredAlike(runs, fingerprints, [shared[id(model)] for model in runs.models], numbers, file)


@Kept
def _shared(destination: Text, headers: Mapping[str, Text], delivery: Delivery) -> Shared:
    request = Request(destination=destination, headers=headers, delivery=delivery)
    has_secrets = bool(secret_names(request))
    return Shared(delivery.delay_s, delivery.not_before_s, has_secrets, delivery_digest(request))


def fingerprint(request: Request, identity: Identity, own_id: str | None = None) -> str:
    """The fingerprint of a request, and of the workflow run id that its author gave it (None: it is derived)."""
    covered = _version_1(request, identity)
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


def delivery_digest(request: Request) -> str:
    """A short digest over how a run is delivered; equal options, equal digest."""
    return digest(canonical_json(delivery_fields(request.delivery)))[:13]


def _version_1(request: Request, identity: Identity) -> str:
    body = request.body.plain()
    beside = _beside_body(request.destination, request.content_type, request.headers, identity)
    if body is None or beside is None:
        return digest(canonical_json(_fields_1(request, identity, secret_places(request))))
    # The same bytes, of which only the body is this run's own.
    return digest(b'{"body":"%b",%b' % (sha256(body).hexdigest().encode(), beside))


def _version_1_together(runs: DeclaredAlike) -> list[str] | None:
    identity = runs.group.identity
    beside: dict[int, bytes] = {}
    for model in runs.distinct_models:
        found = _beside_body(model.destination, model.content_type, model.headers, identity)
        if found is None:
            return None
        beside[id(model)] = found
    covered = [
        b'{"body":"%b",%b' % (sha256(text.encode()).hexdigest().encode(), beside[id(model)])
        for text, model in zip(runs.texts, runs.models, strict=True)
    ]
    return [f"{CURRENT}:{each}" for each in digests(covered)]


@Kept
def _beside_body(
    destination: Text, content_type: str | None, headers: Mapping[str, Text], identity: Identity
) -> bytes | None:
    """The canonical form of what a run does, after its body; None where that takes all of its fields."""
    request = Request(destination=destination, content_type=content_type, headers=headers)
    if identity.include or identity.exclude or secret_places(request):
        return None
    fields = doing(request)
    del fields["body"]
    return canonical_json(fields)[1:]


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
        options = delivery_fields(request.delivery)
        fields["also"] = {name: options.get(name) for name in identity.include}
    for path in identity.exclude:
        name, _, rest = path.partition(".")
        if not rest:
            fields.pop(name, None)
        elif isinstance(fields.get(name), dict):
            fields[name] = {key: value for key, value in fields[name].items() if key != rest.lower()}
    return fields
