"""Which rules of a bucket would take a shared state away, and what isn't told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.fakes.loop_thread import LoopThread
from tests.fakes.raw_http import RawRequest, read_request, response
from wfdeploy.sharedlog.bucket_setup import BucketSetup, google_setup, s3_rules
from wfdeploy.sharedlog.opening import open_backend

OFF = "the bucket keeps no versions"


def told(setup: BucketSetup, prefix: str = "acme/production") -> list[str]:
    return [message for message, _ in setup.warnings(prefix)]


def s3(**rule: Any) -> BucketSetup:
    return BucketSetup(rules=s3_rules({"Rules": [{"ID": "old", "Status": "Enabled"} | rule]}))


DAYS = {"Days": 30}


@pytest.mark.parametrize(
    "rule",
    [
        {"Expiration": DAYS},
        {"Expiration": {"Date": "2027-01-01"}, "Filter": {}},
        {"Expiration": DAYS, "Prefix": "acme/"},
        {"Expiration": DAYS, "Filter": {"Prefix": "acme/production/snapshots/0"}},
        {"Expiration": DAYS, "Filter": {"And": {"Prefix": "acme", "ObjectSizeGreaterThan": 1}}},
    ],
)
def test_a_rule_that_deletes_current_objects_of_the_state_is_warned_of(rule: dict[str, Any]) -> None:
    assert told(s3(**rule)) == ["the lifecycle rule 'old' of the bucket deletes objects of the state"]


@pytest.mark.parametrize(
    "rule",
    [
        {"Expiration": DAYS, "Status": "Disabled"},
        {"Expiration": DAYS, "Prefix": "acme/production-old/"},
        {"Expiration": DAYS, "Filter": {"Prefix": "acme/production/scratch/"}},
        {"Expiration": DAYS, "Filter": {"Tag": {"Key": "a", "Value": "b"}}},
        {"Expiration": DAYS, "Filter": {"And": {"Prefix": "", "Tags": [{"Key": "a", "Value": "b"}]}}},
        {"Expiration": {"ExpiredObjectDeleteMarker": True}},
        {"NoncurrentVersionExpiration": {"NoncurrentDays": 30}},
        {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
        {"Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}]},
    ],
)
def test_a_rule_that_leaves_the_state_alone_is_none(rule: dict[str, Any]) -> None:
    assert told(s3(**rule)) == []


def test_what_can_no_longer_be_read_is_as_good_as_deleted() -> None:
    (message,) = told(s3(Transitions=[{"Days": 1, "StorageClass": "DEEP_ARCHIVE"}]), "")
    assert "moves to DEEP_ARCHIVE, where they can't be read, objects of the state" in message


@pytest.mark.parametrize(
    ("condition", "is_told"),
    [
        ({"age": 30}, True),
        ({"age": 30, "matchesPrefix": ["logs/", "acme/"]}, True),
        ({"age": 30, "matchesSuffix": [".log"]}, False),
        ({"age": 30, "matchesSuffix": [".log", "0"]}, True),
        ({"age": 30, "matchesPrefix": ["logs/"]}, False),
        ({"isLive": False}, False),
        ({"numNewerVersions": 3}, False),
    ],
)
def test_rules_of_google(condition: dict[str, Any], is_told: bool) -> None:
    answer = {
        "lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": condition}]},
        "softDeletePolicy": {"retentionDurationSeconds": "604800"},
    }
    assert bool(told(google_setup(answer))) is is_told


def test_google_keeps_what_is_deleted_as_a_version_or_for_some_time() -> None:
    assert told(google_setup({}))[0].startswith(OFF)
    assert told(google_setup({"softDeletePolicy": {"retentionDurationSeconds": "0"}}))[0].startswith(OFF)
    assert told(google_setup({"versioning": {"enabled": True}})) == []


class Answering(LoopThread):
    """Gives each request the same answer."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer
        self.requests: list[RawRequest] = []

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            self.requests.append(request)
            writer.write(self.answer)
            await writer.drain()

    def warnings(self, scheme: str) -> list[str]:
        environ = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
        log = open_backend(f"{scheme}://bucket/acme?endpoint={self.url}", environ, request_s=5.0)
        return [message for message, _ in log.warnings()]


FORBIDDEN = response(403, "<Error><Code>AccessDenied</Code></Error>")


@pytest.mark.parametrize("scheme", ["s3", "gs"])
@pytest.mark.parametrize("answer", [FORBIDDEN, response(501), response(200, "[]"), b"no HTTP at all\r\n\r\n"])
def test_what_may_not_be_read_is_not_told(scheme: str, answer: bytes) -> None:
    with Answering(answer) as server:
        assert server.warnings(scheme) == []
        assert server.requests


def test_google_is_asked_for_no_more_than_is_needed() -> None:
    setup = {"lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 1}}]}}
    with Answering(response(200, json.dumps(setup))) as server:
        assert len(server.warnings("gs")) == 2
    assert [request.target for request in server.requests] == [
        "/storage/v1/b/bucket?fields=lifecycle%2Cversioning%2CsoftDeletePolicy"
    ]


def test_nobody_is_asked_about_azure() -> None:
    log = open_backend("az://container/acme?account=acme", {"AZURE_STORAGE_ACCOUNT_KEY": "c2VjcmV0"})
    assert list(log.warnings()) == []
