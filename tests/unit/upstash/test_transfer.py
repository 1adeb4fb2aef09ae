"""TLS, proxies, and what must never travel."""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64encode
from pathlib import Path

import httpx
import pytest

from tests.fakes import chaos_server as chaos
from tests.fakes.chaos_server import ChaosServer
from tests.fakes.manual_clock import ManualClock
from tests.fakes.tunnel import Tunnel
from wfdeploy.errors import UsageError
from wfdeploy.http.connection import Timeouts
from wfdeploy.http.pool import HttpOrigin, Proxy
from wfdeploy.model.project import ServerSettings
from wfdeploy.model.remote import Answered, Item, Lost, NotSent, TriggerReply
from wfdeploy.upstash.client import UpstashGateway
from wfdeploy.upstash.scrub import Scrubber
from wfdeploy.upstash.transfer import Transfer, TransferError, open_pool, proxy_for

TOKEN = "tok-2f7a9c1e5b"
# Self-signed, for `localhost` and `qstash.test`, with its key; made for these tests and good for nothing else.
PEM = Path(__file__).parents[2] / "fakes" / "tls" / "server.pem"

ITEMS = [
    Item(
        f"wfr_{n}",
        json.dumps(
            {"destination": "https://app/wf", "headers": {"Upstash-Workflow-RunId": f"wfr_{n}"}, "body": "x" * 20_000}
        ).encode(),
    )
    for n in range(50)
]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme.upper()}_PROXY", raising=False)


@pytest.fixture
def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    return context


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))


def trigger(url: str, *, times: int = 1) -> list[TriggerReply]:
    async def run() -> list[TriggerReply]:
        gateway = UpstashGateway(
            url,
            TOKEN,
            settings=ServerSettings(connect_timeout_s=10.0, read_timeout_s=10.0),
            clock=ManualClock(),
            scrubber=Scrubber([TOKEN]),
            deadline_s=30.0,
        )
        try:
            return [await gateway.trigger(ITEMS) for _ in range(times)]
        finally:
            await gateway.aclose()

    return asyncio.run(run())


def test_a_certificate_nobody_vouches_for_is_refused(tls: ssl.SSLContext) -> None:
    with ChaosServer(tls=tls) as server:
        (reply,) = trigger(server.url)
    assert isinstance(reply, NotSent)
    assert "certificate" in reply.reason
    assert not server.requests


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_host_is_refused(tls: ssl.SSLContext) -> None:
    with ChaosServer(tls=tls) as server:
        (reply,) = trigger(f"https://127.0.0.1:{server.port}")
    assert isinstance(reply, NotSent)
    assert not server.requests


@pytest.mark.usefixtures("trusted")
def test_with_the_right_ca_connections_are_made_and_kept(tls: ssl.SSLContext) -> None:
    with ChaosServer([chaos.accept(), chaos.accept(), chaos.drop(act=True, with_reset=True)], tls=tls) as server:
        first, second, third, fourth = trigger(server.url, times=4)
    assert isinstance(first, Answered)
    assert isinstance(second, Answered)
    assert isinstance(third, Lost)
    assert isinstance(fourth, Answered)
    assert server.connections == 2


@pytest.mark.usefixtures("trusted")
def test_a_proxy_of_the_environment_is_used_and_sees_no_token(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ChaosServer(tls=tls) as server, Tunnel(server.port) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", tunnel.url)
        replies = trigger("https://qstash.test", times=2)
    assert [type(reply) for reply in replies] == [Answered, Answered]
    assert len(tunnel.heads) == 1
    assert tunnel.heads[0].startswith(b"CONNECT qstash.test:443 ")
    assert TOKEN.encode() not in tunnel.heads[0]
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("status", [b"403 Forbidden", b"407 Proxy Authentication Required", b"502 Bad Gateway"])
def test_a_tunnel_that_is_refused_sent_nothing(status: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with Tunnel(0, answer=b"HTTP/1.1 " + status + b"\r\n\r\n") as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", tunnel.url)
        (reply,) = trigger("https://qstash.test")
    assert isinstance(reply, NotSent)
    assert status.decode()[:3] in reply.reason


def test_a_proxy_that_is_not_there_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with Tunnel(0) as tunnel:
        pass
    monkeypatch.setenv("HTTPS_PROXY", tunnel.url)
    (reply,) = trigger("https://qstash.test")
    assert isinstance(reply, NotSent)


def test_this_machine_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with ChaosServer() as server, Tunnel(server.port) as tunnel:
        monkeypatch.setenv("HTTP_PROXY", tunnel.url)
        monkeypatch.setenv("ALL_PROXY", tunnel.url)
        (reply,) = trigger(server.url)
    assert isinstance(reply, Answered)
    assert not tunnel.heads


@pytest.mark.parametrize(
    ("variables", "direct"),
    [
        ({}, True),
        ({"HTTPS_PROXY": "http://127.0.0.1:1"}, False),
        ({"https_proxy": "127.0.0.1:1"}, False),
        ({"ALL_PROXY": "http://127.0.0.1:1"}, False),
        ({"HTTP_PROXY": "http://127.0.0.1:1"}, True),
        ({"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "qstash.test"}, True),
        ({"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "*"}, True),
        ({"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "other.test"}, False),
    ],
)
def test_which_proxy_the_environment_means(
    variables: dict[str, str], direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    proxy = proxy_for(httpx.URL("https://qstash.test"))
    assert proxy == (None if direct else Proxy(HttpOrigin(False, "127.0.0.1", 1)))


def test_a_proxy_gets_its_own_credentials_and_no_others(
    tls: ssl.SSLContext, trusted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ChaosServer(tls=tls) as server, Tunnel(server.port) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:p%40ss@127.0.0.1:{tunnel.port}")
        (reply,) = trigger("https://qstash.test")
    assert isinstance(reply, Answered)
    assert b"\r\nProxy-Authorization: Basic " + b64encode(b"me:p@ss") + b"\r\n" in tunnel.heads[0]
    assert "proxy-authorization" not in server.requests[0].headers


@pytest.mark.parametrize("answer", [b"SSH-2.0", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 101 Switching\r\n\r\n"])
def test_a_proxy_that_speaks_no_http_sent_nothing(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with Tunnel(0, answer=answer) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", tunnel.url)
        (reply,) = trigger("https://qstash.test")
    assert isinstance(reply, NotSent)
    assert "ProxyError" in reply.reason


def test_a_tunnel_that_leads_nowhere_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with Tunnel(0) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", tunnel.url)
        (reply,) = trigger("https://qstash.test")
    assert isinstance(reply, NotSent)
    assert "ConnectError" in reply.reason


@pytest.mark.usefixtures("trusted")
def test_a_tunnel_to_another_server_sent_nothing(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is held against the server's name, not the proxy's."""
    with ChaosServer(tls=tls) as server, Tunnel(server.port) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", f"http://localhost:{tunnel.port}")
        (reply,) = trigger("https://elsewhere.test")
    assert isinstance(reply, NotSent)
    assert "certificate" in reply.reason
    assert not server.requests


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1:1", "http://127.0.0.1:port"])
def test_a_proxy_that_makes_no_sense_is_a_usage_error(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(UsageError) as raised:
        open_pool("https://qstash.test", connections=1)
    assert proxy not in raised.value.message  # it may hold a password


@pytest.mark.parametrize("url", ["http://qstash.upstash.io", "http://10.0.0.1:8080", "https://u:p@qstash.test"])
def test_a_token_is_never_sent_in_the_clear(url: str) -> None:
    with pytest.raises(UsageError):
        trigger(url)


def test_a_netrc_file_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login eve password stolen\ndefault login eve password stolen\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    with ChaosServer() as server:
        trigger(server.url)
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_header_with_a_line_end_never_leaves() -> None:
    with ChaosServer() as server:
        transfer = Transfer(
            open_pool(server.url, connections=1), server.url, headers={}, timeouts=Timeouts(), deadline_s=5.0
        )
        with pytest.raises(TransferError, match="LocalProtocolError"):
            asyncio.run(transfer.exchange("GET", "/", max_bytes=10, headers={"X-A": "b\r\nX-Evil: c"}))
        assert server.connections == 0
