"""URLs of shared states: what is accepted, shown and needed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import pytest

from wfdeploy.errors import StateUnusable, UsageError
from wfdeploy.sharedlog.objects import ObjectLog
from wfdeploy.sharedlog.opening import has_password, hosts, open_backend, without_secrets

AWS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


def stored(url: str, *, below: str = "", **environ: str) -> Any:
    backend = open_backend(url, {**AWS, **environ}, below=below)
    assert isinstance(backend, ObjectLog)
    return backend._store(0)


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("s3://bucket/acme/production", "acme/production"),
        ("s3://bucket/acme/production/", "acme/production"),
        ("s3://bucket//acme", "acme"),
        ("s3://bucket", None),
        ("s3://bucket/", None),
    ],
)
def test_a_prefix_is_the_path_without_slashes_around_it(url: str, prefix: str | None) -> None:
    assert stored(url).prefix == prefix


def test_a_shard_has_a_log_of_its_own_below() -> None:
    assert stored("s3://bucket/acme/", below="shards/2-of-4").prefix == "acme/shards/2-of-4"


def test_parameters_of_the_url_win_over_the_environment() -> None:
    url = "s3://bucket/acme?region=eu-central-1&endpoint=https://minio.example.com"
    store = stored(url, AWS_REGION="us-east-1")
    assert (store.config["region"], store.config["endpoint"]) == ("eu-central-1", "https://minio.example.com")
    assert store.retry_config["max_retries"] == 0
    assert store.client_options["allow_http"] == "false"


def test_a_plain_endpoint_must_be_written_out() -> None:
    assert stored("s3://bucket/acme?endpoint=http://127.0.0.1:9000").client_options["allow_http"] == "true"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://host/0", "redis://host/0 is no URL of a shared state"),
        ("bucket/acme", "bucket/acme is no URL of a shared state"),
        ("s3:///acme", "s3:/acme must name a bucket and a prefix"),
        ("s3://key:secret@bucket/acme", "s3://key@bucket/acme must name a bucket and a prefix"),
        ("s3://bucket/acme?secret=hidden", "s3://bucket/acme has a parameter that is not known: secret"),
        ("s3://bucket/acme?region=a&region=b", "s3://bucket/acme?region=a&region=b names a parameter twice"),
        ("s3://bucket/acme?region", "the URL of the shared state can't be read: bad query field: 'region'"),
        ("s3://bucket/a%20b", "the prefix in s3://bucket/a%20b can't be used"),
        ("s3://bucket/a/../b", "the prefix in s3://bucket/a/../b can't be used"),
        ("s3://bucket/a//b", "the prefix in s3://bucket/a//b can't be used"),
        ("postgresql://host/db?schema=A;--", "the schema in postgresql://host/db?schema=A%3B-- can't be used"),
        ("postgresql://host/db?prefix=a//b", "the prefix in postgresql://host/db?prefix=a//b can't be used"),
        (
            "postgresql://host/db?colour=blue",
            'the URL postgresql://host/db can\'t be read: invalid URI query parameter: "colour"',
        ),
    ],
)  # fmt: skip
def test_what_is_no_url_of_a_shared_state(url: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_backend(url, AWS)
    assert caught.value.message.startswith(said)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:hunter2@db/ops?password=x&prefix=p&sslmode=require", "postgresql://ann@db/ops?prefix=p"),
        ("s3://bucket/p?endpoint=https://u:pw@minio.example.com", "s3://bucket/p?endpoint=https://minio.example.com"),
        ("az://c/p?account=acme&sig=abc", "az://c/p?account=acme"),
    ],
)
def test_what_is_shown_has_no_secrets(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


@pytest.mark.parametrize(
    ("url", "has"),
    [
        ("postgresql://ann:hunter2@db/ops", True),
        ("postgresql://ann@db/ops?password=x", True),
        ("s3://bucket/p?endpoint=https://u:pw@minio.example.com", True),
        ("postgresql://ann@db/ops?sslmode=require", False),
        ("s3://bucket/p?endpoint=https://minio.example.com", False),
    ],
)
def test_passwords_are_found(url: str, has: bool) -> None:
    assert has_password(url) is has


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://bucket/p", ()),
        ("s3://bucket/p?endpoint=https://minio.example.com:9000", ("minio.example.com:9000",)),
        ("az://c/p?account=acme", ()),
        ("postgresql://db.example.com:5433/ops", ("db.example.com:5433",)),
        ("postgresql://a.example.com,b.example.com:5433/ops", ("a.example.com", "b.example.com:5433")),
        ("postgresql:///ops?host=c.example.com&hostaddr=10.0.0.7", ("c.example.com", "10.0.0.7")),
    ],
)
def test_the_hosts_that_a_url_names(url: str, expected: tuple[str, ...]) -> None:
    assert hosts(url) == expected


@pytest.mark.parametrize(
    ("url", "missing", "extra"),
    [
        ("s3://bucket/p", "obstore", "s3"),
        ("s3://bucket/p", "boto3", "s3"),
        ("gs://bucket/p", "google.auth", "gcs"),
        ("az://bucket/p?account=a", "azure.identity", "azure"),
        ("postgresql://host/db", "psycopg", "postgres"),
    ],
)
def test_a_library_that_is_missing_is_named_with_its_extra(
    url: str, missing: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else real(name))
    with pytest.raises(StateUnusable) as caught:
        open_backend(url, {})
    assert caught.value.hint == f"pip install 'wfdeploy[{extra}]'"
    assert f"needs the package {missing.partition('.')[0]}" in caught.value.message


def test_no_library_is_loaded_before_it_is_needed() -> None:
    program = (
        "import sys\n"
        "import wfdeploy.sharedlog.opening, wfdeploy.sharedlog.log, wfdeploy.sharedlog.objects\n"
        "print(*sorted({'obstore', 'boto3', 'google', 'azure', 'psycopg'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""
