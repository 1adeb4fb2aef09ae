"""How a bucket is set up: what of it would delete a shared state, and whether what was deleted can be restored.

Read with the credentials of the state, which needn't allow it: what isn't told is no problem. Azure tells neither where
objects are read, so nothing is asked there.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

_OWN: Final = ("entries/", "snapshots/", "lease", "incarnation")
"""What a state depends on below its prefix. Whatever is in `scratch/` may go."""

_OFFLINE: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes of S3 from which an object has to be restored before it can be read.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html"""

_OF_FORMER_VERSIONS: Final = frozenset(
    {"numNewerVersions", "daysSinceNoncurrentTime", "noncurrentTimeBefore", "daysSinceCustomTime", "customTimeBefore"}
)
"""Conditions of Google's rules that no current object of a state fulfils: none has a custom time.
https://cloud.google.com/storage/docs/lifecycle#conditions"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleRule:
    """A rule that takes current objects away."""

    name: str

    does: str
    """As in `deletes`."""

    prefixes: Sequence[str]
    """Of the keys that it is about; one that is empty stands for all."""

    def is_about(self, prefix: str) -> bool:
        """Whether it takes away what a state below this prefix depends on."""
        keys = [f"{prefix}/{own}" if prefix else own for own in _OWN]
        return any(key.startswith(one) or one.startswith(key) for key in keys for one in self.prefixes)


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketSetup:
    """What a bucket told of itself."""

    rules: Sequence[LifecycleRule] = ()
    """Empty, too, where they weren't told."""

    keeps_deleted: bool | None = None
    """Whether deleted and replaced objects can be restored for some time. None: not told."""

    def warnings(self, prefix: str) -> Sequence[tuple[str, str]]:
        """What is unwise for a state below this prefix, each with a hint."""
        found = [
            (
                f"the lifecycle rule {rule.name!r} of the bucket {rule.does} objects of the state",
                "limit the rule to other prefixes: a log that lacks an entry can't be used",
            )
            for rule in self.rules
            if rule.is_about(prefix)
        ]
        if self.keeps_deleted is False:
            found.append(
                (
                    "the bucket keeps no versions, so nobody can restore an object of the state that was deleted",
                    "turn versioning on, with a rule that deletes versions some days after they were replaced",
                )
            )
        return found


def read_s3(bucket: str, config: Mapping[str, Any], timeout_s: float) -> BucketSetup:
    """Ask S3, or what speaks its protocol. config: as obstore's. timeout_s: for each of two requests."""
    try:
        boto3: Any = importlib.import_module("boto3")
        botocore: Any = importlib.import_module("botocore.exceptions")
        options: Any = importlib.import_module("botocore.config")
    except ModuleNotFoundError:  # obstore may have come with another extra
        return BucketSetup()
    refused = (botocore.ClientError, botocore.BotoCoreError)
    endpoint = config.get("endpoint")
    try:
        client = boto3.client(
            "s3",
            region_name=config.get("region"),
            endpoint_url=endpoint,
            aws_access_key_id=config.get("access_key_id"),
            aws_secret_access_key=config.get("secret_access_key"),
            aws_session_token=config.get("session_token"),
            config=options.Config(
                connect_timeout=timeout_s,
                read_timeout=timeout_s,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "auto" if endpoint is None else "path"},
            ),
        )
    except (ValueError, *refused):
        return BucketSetup()
    try:
        rules = s3_rules(client.get_bucket_lifecycle_configuration(Bucket=bucket))
    except refused:  # `NoSuchLifecycleConfiguration` too
        rules = []
    try:
        keeps_deleted = client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled"
    except refused:
        return BucketSetup(rules=rules)
    return BucketSetup(rules=rules, keeps_deleted=keeps_deleted)


def s3_rules(answer: Mapping[str, Any]) -> list[LifecycleRule]:
    """The rules of a lifecycle configuration of S3 that take current objects away.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html
    """
    found = []
    for rule in answer.get("Rules", ()):
        condition = rule.get("Filter", {})
        both = condition.get("And", {})
        if rule.get("Status") != "Enabled" or "Tag" in condition or both.get("Tags"):
            continue  # objects of a state have no tags
        does = _does(rule)
        if does:
            prefix = rule.get("Prefix") or condition.get("Prefix") or both.get("Prefix") or ""
            found.append(LifecycleRule(name=rule.get("ID") or "without a name", does=does, prefixes=(prefix,)))
    return found


def _does(rule: Mapping[str, Any]) -> str:
    if rule.get("Expiration", {}).keys() & {"Days", "Date"}:  # else it is about marks of deleted objects
        return "deletes"
    to = [one.get("StorageClass") for one in rule.get("Transitions", ()) if one.get("StorageClass") in _OFFLINE]
    return f"moves to {to[0]}, where they can't be read," if to else ""


def read_google(bucket: str, config: Mapping[str, Any], timeout_s: float) -> BucketSetup:
    """Ask Google Cloud Storage. config: as obstore's. timeout_s: for the request."""
    try:
        auth: Any = importlib.import_module("google.auth")
        transport: Any = importlib.import_module("google.auth.transport.requests")
        requests: Any = importlib.import_module("requests.exceptions")
    except ModuleNotFoundError:
        return BucketSetup()
    try:
        if "bearer_token" in config:
            credentials: Any = importlib.import_module("google.auth.credentials").AnonymousCredentials()
        else:
            credentials, _ = auth.default(scopes=["https://www.googleapis.com/auth/devstorage.read_only"])
        with transport.AuthorizedSession(credentials) as session:
            answer = session.get(
                f"{config.get('base_url', 'https://storage.googleapis.com')}/storage/v1/b/{quote(bucket, safe='')}",
                params={"fields": "lifecycle,versioning,softDeletePolicy"},
                timeout=timeout_s,
            )
        return google_setup(answer.json()) if answer.status_code == 200 else BucketSetup()
    except (auth.exceptions.GoogleAuthError, requests.RequestException, ValueError, TypeError, AttributeError):
        return BucketSetup()  # no such answer either, where the endpoint is not Google


def google_setup(answer: Mapping[str, Any]) -> BucketSetup:
    """Read the resource of a bucket. https://cloud.google.com/storage/docs/json_api/v1/buckets"""
    rules = [
        LifecycleRule(
            name=f"number {number}", does="deletes", prefixes=rule.get("condition", {}).get("matchesPrefix") or ("",)
        )
        for number, rule in enumerate(answer.get("lifecycle", {}).get("rule", ()), start=1)
        if rule.get("action", {}).get("type") == "Delete" and _takes_current(rule.get("condition", {}))
    ]
    kept_s = int(answer.get("softDeletePolicy", {}).get("retentionDurationSeconds", 0))
    return BucketSetup(rules=rules, keeps_deleted=bool(answer.get("versioning", {}).get("enabled")) or kept_s > 0)


def _takes_current(condition: Mapping[str, Any]) -> bool:
    if condition.get("isLive") is False or condition.keys() & _OF_FORMER_VERSIONS:
        return False
    return _any_ends(condition.get("matchesSuffix") or ("",))


def _any_ends(suffixes: Iterable[str]) -> bool:
    """Whether a key of a state may end so: most end in a number."""
    return any(not one or one.isdigit() or "lease".endswith(one) or "incarnation".endswith(one) for one in suffixes)
