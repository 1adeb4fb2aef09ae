from __future__ import annotations

import pytest

from wfdeploy.manifests.validate.urls import is_loopback, url_problem
from wfdeploy.model.request import SecretRef, SecretText

SECRET = SecretRef("A")


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example.com",
        "HTTPS://app.example.com:8443/a/b?c=d&e=%20#"[:-1],
        "https://192.168.0.1/wf",
        "https://[2001:db8::1]:8443/wf",
        "http://localhost:3000/wf",
        "http://app.localhost/wf",
        "http://127.8.9.1/wf",
        "http://[::1]/wf",
        "https://my_service.internal/wf",
        "https://xn--bcher-kva.example/wf",
    ],
)
def test_sound(url: str) -> None:
    assert url_problem("destination", url, insecure=False) is None


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "bad-url"),
        ("app.example.com/wf", "bad-url"),
        ("//app.example.com/wf", "bad-url"),
        ("/wf", "bad-url"),
        ("https:app.example.com", "bad-url"),
        ("https://", "bad-url"),
        ("https://:443/wf", "bad-url"),
        ("https://app.example.com:port/wf", "bad-url"),
        ("https://app.example.com:0/wf", "bad-url"),
        ("https://app..example.com/wf", "bad-url"),
        ("https://-app.example.com/wf", "bad-url"),
        ("https://[::1/wf", "bad-url"),
        ("https://[zz]/wf", "bad-url"),
        (" https://app.example.com", "bad-url"),
        ("https://app.example.com/\n", "bad-url"),
        ("https://app.example.com\\@evil.example.com", "bad-url"),
        ("https://bücher.example/wf", "bad-url"),
        ("javascript:alert(1)", "bad-url"),
        ("ftp://app.example.com", "bad-url"),
        ("https://app.example.com/#a", "bad-url"),
        ("https://me@app.example.com/wf", "credentials-in-url"),
        ("https://me:pw@app.example.com/wf", "credentials-in-url"),
        ("http://app.example.com/wf", "insecure-destination"),
        ("http://10.0.0.1/wf", "insecure-destination"),
        ("http://localhost.example.com/wf", "insecure-destination"),
    ],
)
def test_not_sound(url: str, code: str) -> None:
    problem = url_problem("destination", url, insecure=False)
    assert problem is not None
    assert problem.code == code


def test_plain_http_may_be_allowed() -> None:
    assert url_problem("destination", "http://10.0.0.1/wf", insecure=True) is None


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        (("https://app.example.com/wf?key=", SECRET), None),
        (("https://app.example.com/", SECRET, "/wf"), None),
        (("https://", SECRET, "/wf"), "secret-in-host"),
        (("https://app.example.com", SECRET), "secret-in-host"),
        (("https://app.example.com:", SECRET, "/wf"), "secret-in-host"),
        ((SECRET,), "bad-url"),
    ],
)
def test_secrets_only_behind_the_host(parts: tuple[str | SecretRef, ...], code: str | None) -> None:
    problem = url_problem("destination", SecretText(parts), insecure=False)
    assert (None if problem is None else problem.code) == code


def test_loopback() -> None:
    assert all(map(is_loopback, ("localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.255.0.1", "::1")))
    assert not any(map(is_loopback, ("", "0.0.0.0", "example.com", "localhost.com", "128.0.0.1", "::2")))
