"""What may be named by a file that anybody can propose."""

from __future__ import annotations

import pytest

from wfdeploy.project.permissions import Permissions


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("QSTASH_TOKEN", True),
        ("QSTASH_TOKEN_PRODUCTION", True),
        ("EU_CENTRAL_1_QSTASH_TOKEN", True),
        ("ACME_QSTASH_TOKEN", True),
        ("AWS_SECRET_ACCESS_KEY", False),
        ("GITHUB_TOKEN", False),
        ("QSTASH_TOKENS", False),
        ("qstash_token", False),
        ("_QSTASH_TOKEN_", False),
    ],
)
def test_tokens_are_read_from_variables_that_are_called_so(name: str, allowed: bool) -> None:
    assert Permissions().token(name) is allowed


def test_an_operator_adds_variables() -> None:
    permissions = Permissions.read(["token=ACME_*", "token=X"])
    names = ("ACME_KEY", "X", "QSTASH_TOKEN", "XY")
    assert [permissions.token(name) for name in names] == [True, True, True, False]


def test_secrets_and_urls_are_free_until_they_are_pinned() -> None:
    assert Permissions().secret("ANY")
    assert Permissions().url("http://evil.example")
    pinned = Permissions.read(["secret=APP_*", "url=qstash.upstash.io"])
    assert [pinned.secret(name) for name in ("APP_KEY", "OTHER", "")] == [True, False, False]


@pytest.mark.parametrize(
    ("pattern", "url", "allowed"),
    [
        ("qstash.upstash.io", "https://qstash.upstash.io/v2", True),
        ("qstash.upstash.io", "https://QSTASH.upstash.io", True),
        ("qstash.upstash.io", "http://qstash.upstash.io", False),  # a token in the clear
        ("qstash.upstash.io", "https://qstash.upstash.io:8443", False),
        ("qstash.upstash.io", "https://qstash.upstash.io.evil.example", False),
        ("qstash.upstash.io", "https://evil.example/qstash.upstash.io", False),
        ("qstash.upstash.io", "https://qstash.upstash.io@evil.example", False),
        ("*.upstash.io", "https://eu.upstash.io", True),
        ("*.upstash.io", "https://evil.example/.upstash.io", False),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/", True),
        ("https://a.example/", "https://a.example", True),
        ("https://a.example", "http://a.example", False),
    ],
)
def test_a_pinned_server_is_that_server(pattern: str, url: str, allowed: bool) -> None:
    assert Permissions.read([f"url={pattern}"]).url(url) is allowed


@pytest.mark.parametrize("entry", ["", "token", "token=", "=X", "Token=X", "host=x"])
def test_what_is_no_permission_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"KIND=PATTERN.*token, secret, url"):
        Permissions.read([entry])
