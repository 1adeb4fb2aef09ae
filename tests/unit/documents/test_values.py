"""Rules for single values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.documents.values import (
    header_name_problem,
    header_value_problem,
    number_problems,
    retry_delay,
    retry_delay_problem,
    url_problem,
    url_warnings,
)
from wfdeploy.model.request import SecretRef, SecretText, Text

SECRET = SecretRef("A")


@pytest.mark.parametrize("name", ["X-Team", "authorization", "x_y.z~1", "Cookie", "X-Upstash"])
def test_header_name(name: str) -> None:
    assert header_name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "bad-header-name"), ("X Team", "bad-header-name"), ("X:", "bad-header-name"), ("ü", "bad-header-name"),
        ("X\n", "bad-header-name"), ("Content-Type", "reserved-header"), ("UPSTASH-Retries", "reserved-header"),
        ("upstash-forward-x", "reserved-header"), ("Host", "reserved-header"), ("content-length", "reserved-header"),
    ],
)  # fmt: skip
def test_bad_header_name(name: str, code: str) -> None:
    problem = header_name_problem(name)
    assert problem is not None
    assert problem.code == code


@pytest.mark.parametrize("value", ["", "a", "a b\tc", SecretText(("Bearer ", SECRET)), SecretText((SECRET, SECRET))])
def test_header_value(value: Text) -> None:
    assert header_value_problem("X", value) is None


@pytest.mark.parametrize(
    "value",
    ["a\n", "a\r\nX: b", "a\0", "\x7f", "ü", " a", "a\t", SecretText((SECRET, "\n")), SecretText((SECRET, " "))],
)
def test_bad_header_value(value: Text) -> None:
    assert header_value_problem("X", value) is not None


@pytest.mark.parametrize(
    "text",
    [
        "1000", "1000 * (1 + retried)", "pow(2, retried) * 1000", "max(1000, pow(2, retried) * 100)", "-1 + 2.5 / 3",
        "floor(sqrt(abs(-retried)))", "round(exp(retried)) - ceil(1.2)", "min(1,2)", " 5 ",
    ],
)  # fmt: skip
def test_retry_delay(text: str) -> None:
    assert retry_delay_problem(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "1_000", "0x10", "1e3", "10s", "2 ** 3", "7 // 2", "7 % 2", "retries", "pow(2)", "min(1)", "min()",
        "pow(x=1, y=2)", "abs", "pow(2, 3", "1 +", "retried.real", "retried[0]", "'a'", "1 if retried else 2",
        "lambda: 1", "[1]", "1 < 2", "not 1", "__import__('os')", "max(1, 2, 3)", "retried()", "pow(*a)", "1, 2",
        "True", "1" * 600, "-" * 400 + "1", "0777 8", "1 2",
    ],
)  # fmt: skip
def test_bad_retry_delay(text: str) -> None:
    problem = retry_delay_problem(text)
    assert problem is not None
    assert problem.message.startswith("retryDelay ")


@given(st.text(st.sampled_from("retid0123 +-*/().,powaxe"), max_size=40))
def test_any_text_is_judged(text: str) -> None:
    retry_delay_problem(text)


def test_numbers_that_json_cannot_carry() -> None:
    value = {"a": [1, 2**53, {"b": -(2**53)}], "c": math.nan, "d": math.inf, "e": True, "f": 2**53 - 1, "g": 1e300}
    assert [path for path, _ in number_problems(value, ("body",))] == [
        ("body", "a", 1),
        ("body", "a", 2, "b"),
        ("body", "c"),
        ("body", "d"),
    ]


def test_endless_integer_is_not_printed() -> None:
    ((_, problem),) = number_problems(2**100_000)
    assert len(problem.message) < 100


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


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("1.5s", "1500"),
        ("300ms", "300"),
        ("1m", "60000"),
        ("0.5ms", "0.5"),
        (" 5s ", "5000"),
        (5000, "5000"),
        ("5000", "5000"),
        ("pow(2, retried) * 1000", "pow(2, retried) * 1000"),
    ],
)
def test_a_retry_delay_is_sent_in_milliseconds(given: object, sent: str) -> None:
    assert retry_delay(given) == sent
    assert retry_delay_problem(sent) is None


@pytest.mark.parametrize(
    ("url", "codes"),
    [
        ("https://app.example.com//api", ["double-slash"]),
        ("https://app.example.com/api//x?y=1", ["double-slash"]),
        ("https://app.example.com/api?to=https://x.example.com//y", []),
        ("https://app.example.com/proxy/https://x.example.com", []),
        ("https://app.example.com/", []),
        ("http://localhost:3000/wf", ["loopback-destination"]),
        ("http://LOCALHOST./wf", ["loopback-destination"]),
        ("http://app.localhost//wf", ["double-slash", "loopback-destination"]),
        ("http://127.8.9.1", ["loopback-destination"]),
        ("http://[::1]:80/wf", ["loopback-destination"]),
        ("https://host.docker.internal/wf", ["loopback-destination"]),
        ("https://localhost.example.com/wf", []),
        (SecretText(("https://app.example.com//", SecretRef("A"))), ["double-slash"]),
    ],
)
def test_urls_that_are_probably_not_meant(url: Text, codes: list[str]) -> None:
    assert [problem.code for problem in url_warnings("destination", url, loopback=False)] == codes
    allowed = [code for code in codes if code != "loopback-destination"]
    assert [problem.code for problem in url_warnings("destination", url, loopback=True)] == allowed
