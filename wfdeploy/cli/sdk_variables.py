"""The official SDKs' environment variables, read as the SDKs read them."""

from __future__ import annotations

from collections.abc import Mapping

from wfdeploy.errors import UsageError

_ON = frozenset(("true", "1"))
_OFF = frozenset(("", "false", "0"))
_REGIONS = ("EU_CENTRAL_1", "US_EAST_1")


def wants_dev_server(environ: Mapping[str, str]) -> bool:
    """Whether `QSTASH_DEV` is on. Raises: `UsageError` for a value that the SDKs refuse too."""
    value = environ.get("QSTASH_DEV", "").strip().lower()
    if value in _ON:
        return True
    if value in _OFF:
        return False
    raise UsageError(f"QSTASH_DEV is {value!r}, which is neither on nor off", hint="use true or false")


def prefix(environ: Mapping[str, str]) -> str:
    """What stands before `QSTASH_URL` and `QSTASH_TOKEN`: the region's, where `QSTASH_REGION` names one and its
    variables are there; else nothing. Raises: `UsageError` for an unknown region."""
    value = environ.get("QSTASH_REGION", "").strip()
    if not value:
        return ""
    region = value.upper().replace("-", "_")
    if region not in _REGIONS:
        raise UsageError(f"QSTASH_REGION is {value!r}, which is no known region", hint=f"use {' or '.join(_REGIONS)}")
    # As the SDK does: a region whose variables are missing falls back to the plain ones.
    complete = all(environ.get(f"{region}_{name}") for name in ("QSTASH_URL", "QSTASH_TOKEN"))
    return f"{region}_" if complete else ""
