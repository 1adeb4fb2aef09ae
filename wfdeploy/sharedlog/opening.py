"""The URL of a shared state -> its backend.

    s3://BUCKET/PREFIX[?region=...&endpoint=https://...]
    gs://BUCKET/PREFIX[?endpoint=...]
    az://CONTAINER/PREFIX[?account=...&endpoint=...]
    postgresql://HOST/DATABASE[?schema=wfdeploy&prefix=PREFIX&...]      libpq's own parameters may stand beside them

Credentials come from the environment, found as the provider's own tools find them.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from wfdeploy.errors import StateUnusable, UsageError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from wfdeploy.log_ports import LogBackend
    from wfdeploy.sharedlog.bucket_setup import BucketSetup
    from wfdeploy.sharedlog.objects import Bucket


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What is particular about a provider of object storage."""

    extra: str

    store: str
    """The class of obstore."""

    noun: str
    """Bucket or container."""

    names: Mapping[str, str]
    """Parameters of the URL, and what obstore calls them."""

    config: Mapping[str, Any]

    variables: Mapping[str, str]
    """Variables of the environment, and what obstore calls them."""

    keys: tuple[str, ...]
    """Any of these variables is a credential. Without one, the provider's library looks for others."""

    credentials: str
    """What makes the provider's own chain of credentials, and the module that it needs."""

    log_in: str

    permissions: str

    setup: str = ""
    """What reads how a bucket is set up, in `bucket_setup`; empty where no reader of objects may know."""


_PLACES = {
    "s3": _Place(
        extra="s3",
        store="S3Store",
        noun="bucket",
        names={"region": "region", "endpoint": "endpoint"},
        config={"conditional_put": "etag", "disable_bulk_delete": True},
        variables={
            "AWS_ACCESS_KEY_ID": "access_key_id",
            "AWS_SECRET_ACCESS_KEY": "secret_access_key",
            "AWS_SESSION_TOKEN": "session_token",
            "AWS_DEFAULT_REGION": "region",
            "AWS_REGION": "region",
        },
        keys=("AWS_ACCESS_KEY_ID",),
        credentials="boto3 obstore.auth.boto3 Boto3CredentialProvider",
        log_in="set AWS_PROFILE or AWS_ACCESS_KEY_ID, or run: aws sso login",
        permissions="s3:ListBucket on the bucket; s3:GetObject, s3:PutObject and s3:DeleteObject below the prefix",
        setup="read_s3",
    ),
    "gs": _Place(
        extra="gcs",
        store="GCSStore",
        noun="bucket",
        names={"endpoint": "base_url"},
        config={},
        variables={},
        keys=(),
        credentials="google.auth obstore.auth.google GoogleCredentialProvider",
        log_in="set GOOGLE_APPLICATION_CREDENTIALS, or run: gcloud auth application-default login",
        permissions="storage.objects.list, get, create, update and delete (Storage Object User)",
        setup="read_google",
    ),
    "az": _Place(
        extra="azure",
        store="AzureStore",
        noun="container",
        names={"account": "account_name", "endpoint": "endpoint"},
        config={},
        variables={
            "AZURE_STORAGE_ACCOUNT_NAME": "account_name",
            "AZURE_STORAGE_ACCOUNT_KEY": "account_key",
            "AZURE_STORAGE_SAS_TOKEN": "sas_key",
        },
        keys=("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN"),
        credentials="azure.identity obstore.auth.azure AzureCredentialProvider",
        log_in="set AZURE_CLIENT_ID and what belongs to it, or run: az login",
        permissions="the role Storage Blob Data Contributor on the container",
    ),
}

_LIBPQ = {
    "PGUSER": "user",
    "PGPASSWORD": "password",
    "PGPASSFILE": "passfile",
    "PGSSLMODE": "sslmode",
    "PGSSLROOTCERT": "sslrootcert",
}
"""Variables that an env file may bring; libpq itself reads those of the process."""

REQUEST_S = 10.0

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")

_PREFIX = re.compile(r"[A-Za-z0-9._=-]+(/[A-Za-z0-9._=-]+)*")
"""What every store takes as it is, so that one URL is one place."""


def open_backend(url: str, environ: Mapping[str, str], *, below: str = "", request_s: float = REQUEST_S) -> LogBackend:
    """Open the place of a shared log. Nothing is contacted yet.

    below: a further part of the prefix: each shard has a log of its own.
    request_s: how long one small request may take, connecting included.

    Raises: `UsageError` for a URL that is none; `StateUnusable` where a library or credentials are missing.
    """
    parts, parameters = _split(url)
    _require("psycopg" if parts.scheme == "postgresql" else "obstore", parts.scheme)
    if parts.scheme == "postgresql":
        from wfdeploy.sharedlog.postgres import PostgresLog
        from wfdeploy.sharedlog.postgres_connections import PostgresConnections

        prefix = "/".join(filter(None, [_prefix(url, parameters.pop("prefix", "")), below]))
        schema = parameters.pop("schema", "wfdeploy")
        if not _SCHEMA.fullmatch(schema):
            raise UsageError(
                f"the schema in {without_secrets(url)} can't be used",
                hint="it may have small letters, digits and underscores",
            )
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
        given = {*parameters, "user" if parts.username else "", "password" if parts.password else ""}
        connections = PostgresConnections(
            conninfo=parts._replace(query=query, fragment="").geturl(),
            options={
                known: environ[name] for name, known in _LIBPQ.items() if environ.get(name) and known not in given
            },
            name=without_secrets(url),
            request_s=request_s,
        )
        return PostgresLog(connections=connections, schema=schema, prefix=prefix)
    from wfdeploy.sharedlog.objects import ObjectLog

    return ObjectLog(bucket=_bucket(url, parts, parameters, below, environ), request_s=request_s)


def without_secrets(url: str) -> str:
    """A URL for people: without a password, and without parameters that may be one."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    netloc = f"{user.partition(':')[0]}{at}{host}"
    shown = ("region", "account", "endpoint", "schema", "prefix")
    query = "&".join(
        f"{name}={quote(_without_password(value), safe=':/')}"
        for name, value in parse_qsl(parts.query)
        if name in shown
    )
    return parts._replace(netloc=netloc, query=query, fragment="").geturl()


def has_password(url: str) -> bool:
    """Whether a URL carries what has no place in a file."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query)
    in_parameters = any(
        name in {"password", "sslpassword"} or value != _without_password(value) for name, value in pairs
    )
    return in_parameters or ":" in parts.netloc.rpartition("@")[0]


def hosts(url: str) -> tuple[str, ...]:
    """The hosts that a URL names itself, to which credentials of the environment would be sent. Those of a provider
    are not its choice."""
    parts = urlsplit(url)
    parameters = dict(parse_qsl(parts.query))
    if parts.scheme not in {"postgresql", "postgres"}:
        return (urlsplit(parameters["endpoint"]).netloc.rpartition("@")[2],) if "endpoint" in parameters else ()
    named = ",".join([parts.netloc.rpartition("@")[2], parameters.get("host", ""), parameters.get("hostaddr", "")])
    return tuple(filter(None, named.split(",")))


def origins(url: str) -> tuple[str, ...]:
    """The origins that get to see credentials, or what is signed with them: what `--allow state=` names."""
    parts = urlsplit(without_secrets(url))
    scheme = "postgresql" if parts.scheme == "postgres" else parts.scheme
    found = [f"{scheme}://{parts.netloc.rpartition('@')[2]}"]
    for name, value in parse_qsl(parts.query):
        if name == "endpoint":
            end = urlsplit(value)
            found.append(f"{end.scheme}://{end.netloc}")
    # libpq takes hosts from parameters too, which win.
    found += [f"{scheme}://{value}" for name, value in parse_qsl(urlsplit(url).query) if name in ("host", "hostaddr")]
    return tuple(found)


def extra_of(url: str) -> str:
    """The extra of our package that a URL needs. Raises: `UsageError` for a URL of no shared state."""
    parts, _ = _split(url)
    return "postgres" if parts.scheme == "postgresql" else _PLACES[parts.scheme].extra


def _without_password(value: str) -> str:
    return re.sub(r"//[^/@]*@", "//", value)


def _split(url: str) -> tuple[SplitResult, dict[str, str]]:
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise UsageError(f"the URL of the shared state can't be read: {error}") from None
    shown = without_secrets(url)
    if parts.scheme == "postgres":
        parts = parts._replace(scheme="postgresql")
    if parts.scheme not in _PLACES and parts.scheme != "postgresql":
        raise UsageError(
            f"{shown} is no URL of a shared state", hint="it begins with s3://, gs://, az:// or postgresql://"
        )
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise UsageError(f"{shown} names a parameter twice")
    if parts.scheme != "postgresql":
        known = tuple(_PLACES[parts.scheme].names)
        if unknown := sorted(set(parameters) - set(known)):
            raise UsageError(
                f"{shown} has a parameter that is not known: {unknown[0]}", hint=f"available: {', '.join(known)}"
            )
        if not parts.hostname or "@" in parts.netloc or ":" in parts.netloc or parts.fragment:
            raise UsageError(f"{shown} must name a bucket and a prefix", hint=f"write {parts.scheme}://BUCKET/PREFIX")
    return parts, parameters


def _prefix(url: str, text: str) -> str:
    """A prefix, which a trailing slash doesn't change."""
    prefix = unquote(text).strip("/")
    if prefix and (not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/"))):
        raise UsageError(
            f"the prefix in {without_secrets(url)} can't be used",
            hint="it may have letters, digits, and . _ = - between single slashes",
        )
    return prefix


def _require(module: str, scheme: str) -> None:
    """Raises: `StateUnusable` with the extra that has this module."""
    try:
        found = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it would be in
        found = False
    if not found:
        extra = _PLACES[scheme].extra if scheme in _PLACES else "postgres"
        raise StateUnusable(
            f"a shared state at {scheme}:// needs the package {module.partition('.')[0]}",
            hint=f"pip install 'wfdeploy[{extra}]'",
        )


def _bucket(
    url: str, parts: SplitResult, parameters: Mapping[str, str], below: str, environ: Mapping[str, str]
) -> Bucket:
    from wfdeploy.sharedlog.objects import Bucket

    place = _PLACES[parts.scheme]
    endpoint = parameters.get("endpoint", "")
    is_plain = endpoint.startswith("http://")
    config: dict[str, Any] = {known: environ[name] for name, known in place.variables.items() if environ.get(name)}
    config |= place.config
    config |= {place.names[name]: value for name, value in parameters.items()}
    if parts.scheme == "gs" and is_plain:
        # An emulator: a real token would be read by everybody on the way.
        config["bearer_token"] = "none"  # noqa: S105
    prefix = "/".join(filter(None, [_prefix(url, parts.path), below]))
    shown = without_secrets(url)
    finds_them = any(environ.get(name) for name in place.keys) or "bearer_token" in config
    found = {} if finds_them else {"credential_provider": _credentials(parts.scheme, shown)}

    def connect(options: Mapping[str, Any]) -> ObjectStore:
        import obstore.store

        make: Any = getattr(obstore.store, place.store)
        store: ObjectStore = make(
            parts.netloc,
            prefix=prefix or None,
            config=config,
            client_options={"allow_http": is_plain, **options},
            # A second try would find what the first one wrote, and call it somebody else's.
            retry_config={"max_retries": 0},
            **found,
        )
        return store

    def read_setup(timeout_s: float) -> BucketSetup:
        from wfdeploy.sharedlog import bucket_setup

        if not place.setup:
            return bucket_setup.BucketSetup()
        read: Callable[..., BucketSetup] = getattr(bucket_setup, place.setup)
        return read(parts.netloc, config, timeout_s)

    return Bucket(
        name=shown,
        noun=place.noun,
        container=parts.netloc,
        prefix=prefix,
        read_setup=read_setup,
        connect=connect,
        permissions=place.permissions,
        log_in=place.log_in,
    )


def _credentials(scheme: str, name: str) -> Any:
    """The chain of the provider's own tools: profiles, single sign-on, roles of CI jobs and machines."""
    place = _PLACES[scheme]
    needed, module, factory = place.credentials.split()
    _require(needed, scheme)
    # What it logs would be printed beside our own message.
    logging.getLogger(needed.partition(".")[0]).addHandler(logging.NullHandler())
    try:
        return getattr(importlib.import_module(module), factory)()
    except Exception as error:  # each library has its own
        raise StateUnusable(
            f"no credentials were found for the shared state {name}: {str(error).partition(chr(10))[0][:200]}",
            hint=place.log_in,
        ) from error
