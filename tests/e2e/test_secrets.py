"""Tokens and secret values stay out of everything that is written: every output, every file, in every encoding.

The embedded server's own database, which must hold what it delivers, is not among the files here.
"""

from __future__ import annotations

import base64
import html
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.fakes.chaos_server import Behaviour, Exchange
from tests.fakes.raw_http import response
from tests.support.command import Checkout, Result
from tests.support.local_server import LocalServer
from tests.support.relay import Relay, pass_on
from tests.support.scratch import scratch
from tests.support.workbench import group, run

TOKEN = "qst_51Hx+Zk/9w==.Tz~4"
SECRETS = {
    "APP_TOKEN": 'p@ss w/ord+\u00fcber"&=%',
    "DB_URL": "postgres://me:hunter2-hunter2@db/x",
    "PEM": "-----BEGIN MIIEvQIBADANBg",
}
VALUES = {"QSTASH_TOKEN": TOKEN, **SECRETS}


def in_base64(value: str, before: str, *, urlsafe: bool = False) -> str:
    """As part of something longer that was encoded as a whole."""
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    return encode(f"{before}{value}, and so on".encode()).decode()


def core_of_base64(value: str, before: str, *, urlsafe: bool = False) -> str:
    """The part of that which depends on the value alone."""
    start = len(before.encode())
    end = start + len(value.encode())
    return in_base64(value, before, urlsafe=urlsafe)[-(-start * 4 // 3) : end * 4 // 3]


FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": lambda value: json.dumps(value)[1:-1],
    "JSON, UTF-8": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "URL": lambda value: quote(value, safe=""),
    "form": quote_plus,
    "HTML": html.escape,
    "repr": lambda value: repr(value)[1:-1],
    "hex": lambda value: value.encode().hex(),
    "base64": lambda value: in_base64(value, ""),
    "base64 + 1": lambda value: in_base64(value, "1"),
    "base64 + 2": lambda value: in_base64(value, "12"),
    "base64url": lambda value: in_base64(value, "", urlsafe=True),
    "bearer in base64": lambda value: in_base64(value, "Bearer "),
}

IN_A_REPORT = ("plain", "JSON", "URL", "form", "repr", "base64", "base64 + 1", "base64 + 2", "bearer in base64")
"""What a program's own exceptions hold."""

TRACES: dict[str, Callable[[str], str]] = {
    **FORMS,
    "base64": lambda value: core_of_base64(value, ""),
    "base64 + 1": lambda value: core_of_base64(value, "1"),
    "base64 + 2": lambda value: core_of_base64(value, "12"),
    "base64url": lambda value: core_of_base64(value, "", urlsafe=True),
    "bearer in base64": lambda value: core_of_base64(value, "Bearer "),
}


def clean(text: bytes, where: str) -> None:
    """Assert that no value is in it, in no form, and no longer part of one."""
    for name, value in VALUES.items():
        for form, trace in TRACES.items():
            assert trace(value).encode() not in text, f"{name} ({form}) in {where}: {text!r}"
    for part in (b"hunter2", b"51Hx", b"MIIEvQ"):
        assert part not in text, f"{part!r} in {where}: {text!r}"


@pytest.fixture
def relay() -> Iterator[Relay]:
    with LocalServer() as server, Relay(server.url) as relay:
        server.faults.instant_finish = True
        relay.token = server.token
        yield relay


@pytest.fixture
def checkout(relay: Relay) -> Iterator[Checkout]:
    with scratch() as root:
        checkout = Checkout(root / "project", relay.url, TOKEN)
        checkout.environ = dict(SECRETS)
        checkout.spec = {"secrets": sorted(SECRETS)}
        checkout.configure()
        declare(checkout)
        yield checkout


def declare(checkout: Checkout, version: int = 1) -> None:
    checkout.write(
        group(
            "g",
            [
                run(
                    f"r{n}",
                    body={"n": n, "v": version, "db": "${{ secrets.DB_URL }}", "deep": ["x ${{ secrets.APP_TOKEN }}"]},
                    headers={"X-Key": "${{ secrets.DB_URL }}"},
                )
                for n in range(3)
            ]
            + [run("text", bodyText=f"{version} key=${{{{ secrets.PEM }}}}")],
            defaults={"headers": {"Authorization": "Bearer ${{ secrets.DB_URL }}"}},
        )
    )


def files(checkout: Checkout) -> Iterator[tuple[str, bytes]]:
    for file in sorted(checkout.root.rglob("*")):
        if file.is_file():
            yield file.name, file.read_bytes()


def check(checkout: Checkout, result: Result, *words: str) -> Result:
    """Nothing in what was said and nothing in any file."""
    clean(result.stdout.encode(), f"stdout of {words}")
    clean(result.stderr.encode(), f"stderr of {words}")
    for name, data in files(checkout):
        clean(data, f"{name} after {words}")
    return result


def say(checkout: Checkout, *words: str) -> Result:
    return check(checkout, checkout.here(*words), *words)


def echo(status: int, seen: list[str], *, act: bool = False) -> Behaviour:
    """An error that repeats what it was given, in every form."""

    async def behave(exchange: Exchange) -> None:
        seen.append(exchange.request.headers["authorization"])
        if act:
            exchange.act()
        # The program cuts long messages; `test_each_form_alone` shows what may hide behind the cut.
        words = " | ".join(f"{form}: {encode(value)}" for form, encode in FORMS.items() for value in VALUES.values())
        await exchange.send(response(status, {"error": words}))

    return behave


def echo_one(status: int, words: str) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        await exchange.send(response(status, {"error": f"I do not like {words}!"}))

    return behave


def test_every_command(checkout: Checkout, relay: Relay) -> None:
    clean_of_manifest = [data for name, data in files(checkout)]
    assert clean_of_manifest
    for words in (
        ("validate",),
        ("validate", "-o", "json"),
        ("plan",),
        ("plan", "-vv"),
        ("plan", "-o", "json", "--all"),
        ("plan", "--offline"),
        ("plan", "--out", "tonight.plan"),
        ("apply", "tonight.plan", "--yes", "-vv"),
        ("status",),
        ("status", "-o", "json"),
        ("state", "list"),
        ("state", "list", "-o", "json"),
        ("state", "show", "g/r0"),
        ("state", "show", "g/r0", "-o", "json"),
        ("state", "show", "g/text"),
        ("state", "export"),
        ("apply", "--yes", "--log-format", "json", "-vv"),
    ):
        result = say(checkout, *words)
        assert result.code == 0, (words, result.stdout, result.stderr)
    declare(checkout, version=2)
    assert say(checkout, "plan").code == 0
    assert say(checkout, "apply", "--yes", "-o", "json", "-vv", "--log-format", "json").code == 0
    # The other way round: the values did travel, and only there.
    sent = b"".join(request.body for request in relay.triggers).decode()
    assert SECRETS["DB_URL"] in sent
    assert {request.headers["authorization"] for request in relay.requests} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
@pytest.mark.parametrize("output", ["text", "json"])
def test_a_server_that_repeats_what_it_was_told(checkout: Checkout, relay: Relay, status: int, output: str) -> None:
    seen: list[str] = []
    relay._otherwise = echo(status, seen)
    words = ("apply", "--yes", "--timeout", "1", "-vv", "-o", output, "--log-format", output)
    assert say(checkout, *words).code in (6, 7)
    assert seen == [f"Bearer {TOKEN}"] * len(seen) != []
    for look in (("plan",), ("state", "list"), ("state", "export"), ("status",)):
        say(checkout, *look)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_alone(checkout: Checkout, relay: Relay, form: str) -> None:
    """A long message is cut: so one value at a time, too."""
    for value in VALUES.values():
        relay._otherwise = echo_one(401, FORMS[form](value))
        result = say(checkout, "apply", "--yes")
        assert result.code == 6
        assert "I do not like" in result.stderr + result.stdout
        relay._otherwise = echo_one(400, FORMS[form](value))
        assert say(checkout, "apply", "--yes").code in (6, 7)
        assert say(checkout, "state", "export").code == 0


def test_logs_that_repeat_what_they_were_told(checkout: Checkout, relay: Relay) -> None:
    relay.listings = [echo_one(403, f"{TOKEN} {quote(TOKEN)}")] * 5
    assert say(checkout, "plan").code == 6
    assert say(checkout, "apply", "--yes").code == 6
    relay.listings = []
    assert say(checkout, "apply", "--yes").code == 0
    relay.listings = [echo_one(401, base64.b64encode(TOKEN.encode()).decode())] * 5
    say(checkout, "status")


def test_files_while_an_apply_is_under_way(checkout: Checkout, relay: Relay) -> None:
    seen: dict[str, bytes] = {}

    async def look(exchange: Exchange) -> None:
        seen.update(files(checkout))
        await pass_on()(exchange)

    relay._otherwise = look
    assert checkout.here("apply", "--yes").code == 0
    assert {"default.db", "default.db-wal", "default.db.lock.json"} <= set(seen)
    for name, data in seen.items():
        clean(data, f"{name} while an apply is under way")


def test_the_report_of_a_bug(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    from wfdeploy.operations import applying as operation

    def broken(*_: object) -> object:
        values = " ".join(FORMS[form](value) for value in VALUES.values() for form in IN_A_REPORT)
        raise RuntimeError(f"unexpected: {values}")

    monkeypatch.setattr(operation, "gather_secrets", broken)
    monkeypatch.setattr(tempfile, "tempdir", str(checkout.root))
    result = say(checkout, "apply", "--yes")
    assert result.code == 1
    (report,) = checkout.root.glob("wfdeploy-report-*")
    assert "RuntimeError" in report.read_text()
    assert Path(report).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("form", FORMS)
def test_the_check_itself_finds_them(form: str) -> None:
    for value in VALUES.values():
        with pytest.raises(AssertionError):
            clean(f"before {FORMS[form](value)} after".encode(), "a test")
