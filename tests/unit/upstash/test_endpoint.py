"""Which server and which token: what beats what."""

from __future__ import annotations

import pytest

from wfdeploy.errors import UsageError
from wfdeploy.model.project import ServerSettings
from wfdeploy.upstash.endpoint import (
    DEV_TOKEN,
    HOSTED_URL,
    US_URL,
    Endpoint,
    GivenToken,
    base_url,
    is_loopback,
    origin,
    resolve_endpoint,
)

ENV = {"QSTASH_URL": "https://var.example.com/", "QSTASH_TOKEN": "var-token"}
FILE = ServerSettings(url="https://file.example.com", token_env="FILE_TOKEN")
US = {
    "QSTASH_REGION": "us-east-1",
    "US_EAST_1_QSTASH_URL": "https://us.example.com",
    "US_EAST_1_QSTASH_TOKEN": "us-token",
}
NOTHING = ServerSettings()


def test_nothing_set_means_the_hosted_server_and_no_token() -> None:
    endpoint = resolve_endpoint({}, server=NOTHING)
    assert endpoint == Endpoint(url=HOSTED_URL, token=None, token_source="QSTASH_TOKEN")


def test_flags_beat_variables_beat_the_project_file() -> None:
    env = {**ENV, "FILE_TOKEN": "file-token"}
    assert resolve_endpoint(env, server=FILE).url == "https://var.example.com"
    assert resolve_endpoint(env, server=FILE, url="https://flag.example.com").url == "https://flag.example.com"
    assert resolve_endpoint({}, server=FILE).url == "https://file.example.com"


def test_a_chosen_environment_is_beaten_by_flags_only() -> None:
    for server, url in ((FILE, "https://file.example.com"), (NOTHING, HOSTED_URL)):
        assert resolve_endpoint({**ENV, **US}, server=server, chosen="prod").url == url
        assert resolve_endpoint(ENV, server=server, chosen="prod", url="https://f.example.com").url == (
            "https://f.example.com"
        )


def test_token_env_is_the_only_variable_looked_at() -> None:
    endpoint = resolve_endpoint(ENV, server=FILE)
    assert (endpoint.token, endpoint.token_source) == (None, "FILE_TOKEN")
    endpoint = resolve_endpoint({**ENV, "FILE_TOKEN": "t"}, server=FILE, chosen="prod")
    assert (endpoint.token, endpoint.token_source) == ("t", "FILE_TOKEN")


def test_a_token_file_beats_every_variable() -> None:
    endpoint = resolve_endpoint(ENV, server=FILE, given=GivenToken("the file /run/token", "from-file\n"))
    assert (endpoint.token, endpoint.token_source) == ("from-file", "the file /run/token")


@pytest.mark.parametrize("text", ["", " \n", "two words", "line\nline", "snow☃man", "tab\tbed"])
def test_what_is_no_token_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        resolve_endpoint({}, server=NOTHING, given=GivenToken("f", text))
    assert not text.strip() or text.strip() not in raised.value.message


@pytest.mark.parametrize("region", ["US_EAST_1", "us-east-1", "us_east_1", " US-East-1 "])
def test_a_region_has_its_own_url_and_token(region: str) -> None:
    endpoint = resolve_endpoint({**ENV, **US, "QSTASH_REGION": region}, server=NOTHING)
    assert (endpoint.url, endpoint.token) == ("https://us.example.com", "us-token")
    assert endpoint.token_source == "US_EAST_1_QSTASH_TOKEN"


@pytest.mark.parametrize("missing", ["US_EAST_1_QSTASH_URL", "US_EAST_1_QSTASH_TOKEN"])
def test_half_a_region_is_none(missing: str) -> None:
    env = {**ENV, **US}
    del env[missing]
    endpoint = resolve_endpoint(env, server=NOTHING)
    assert (endpoint.url, endpoint.token) == ("https://var.example.com", "var-token")


def test_an_unknown_region_is_refused() -> None:
    with pytest.raises(UsageError, match="MARS"):
        resolve_endpoint({**ENV, "QSTASH_REGION": "MARS"}, server=NOTHING)


@pytest.mark.parametrize(
    ("env", "server", "which"),
    [
        ({"QSTASH_URL": US_URL}, NOTHING, f"QSTASH_URL is {US_URL} and is ignored"),
        ({"QSTASH_URL": US_URL}, FILE, f"QSTASH_URL is {US_URL} and is ignored"),
        (US, NOTHING, "US_EAST_1_QSTASH_URL is https://us.example.com and is ignored"),
        ({"QSTASH_REGION": "us-east-1"}, NOTHING, "QSTASH_REGION is US_EAST_1 and is ignored"),
    ],
)
def test_a_variable_that_a_chosen_environment_ignores_is_named(
    env: dict[str, str], server: ServerSettings, which: str
) -> None:
    endpoint = resolve_endpoint(env, server=server, chosen="prod")
    assert endpoint.ignored is not None
    assert endpoint.ignored[0].startswith(which)
    assert f"it is {endpoint.url}" in endpoint.ignored[0]
    assert "--url https://" in endpoint.ignored[1]


@pytest.mark.parametrize(
    ("env", "more"),
    [
        ({"QSTASH_URL": f"{HOSTED_URL}/"}, {"chosen": "prod"}),  # the same one
        ({"QSTASH_REGION": "EU_CENTRAL_1"}, {"chosen": "prod"}),
        ({"QSTASH_URL": "https://me:secret@x.example.com"}, {"chosen": "prod"}),  # never shown
        ({"QSTASH_REGION": "MARS"}, {"chosen": "prod"}),
        ({"QSTASH_URL": US_URL}, {"chosen": "prod", "url": "https://flag.example.com"}),
        ({"QSTASH_URL": US_URL}, {}),
        (US, {}),
        ({"QSTASH_REGION": "US_EAST_1", "QSTASH_URL": US_URL}, {}),
        ({"QSTASH_REGION": "US_EAST_1", "QSTASH_URL": "https://proxy.example.com"}, {}),
        ({}, {"chosen": "prod"}),
        ({}, {}),
    ],
)
def test_nothing_is_said_of_a_variable_that_counts_or_names_the_same_server(
    env: dict[str, str], more: dict[str, str]
) -> None:
    assert resolve_endpoint(env, server=NOTHING, **more).ignored is None  # type: ignore[arg-type]


def test_a_region_without_its_pair_is_said_to_be_ignored() -> None:
    endpoint = resolve_endpoint({"QSTASH_REGION": "US_EAST_1", "QSTASH_TOKEN": "t"}, server=NOTHING)
    assert endpoint.ignored == (
        "QSTASH_REGION is US_EAST_1 and is ignored: US_EAST_1_QSTASH_URL and US_EAST_1_QSTASH_TOKEN are not both set; "
        f"the server is {HOSTED_URL}",
        f"set both, or QSTASH_URL={US_URL}",
    )


@pytest.mark.parametrize("value", ["true", "1", "True", " TRUE "])
def test_qstash_dev_means_the_development_server(value: str) -> None:
    endpoint = resolve_endpoint({**ENV, "QSTASH_DEV": value}, server=FILE)
    assert (endpoint.url, endpoint.token, endpoint.dev) == ("http://127.0.0.1:8080", DEV_TOKEN, True)
    port = resolve_endpoint({"QSTASH_DEV": value, "QSTASH_DEV_PORT": "9090"}, server=FILE)
    assert port.url == "http://127.0.0.1:9090"


@pytest.mark.parametrize("value", ["", "false", "0", "FALSE"])
def test_qstash_dev_off(value: str) -> None:
    assert not resolve_endpoint({"QSTASH_DEV": value}, server=NOTHING).dev


def test_local_is_the_flag_for_it() -> None:
    assert resolve_endpoint({}, server=NOTHING, local=True).dev
    assert resolve_endpoint({}, server=NOTHING, local=True, chosen="local").dev
    assert not resolve_endpoint({"QSTASH_DEV": "1"}, server=NOTHING, url="https://x.example.com").dev


@pytest.mark.parametrize(
    ("env", "more"),
    [
        ({"QSTASH_DEV": "yes"}, {}),
        ({"QSTASH_DEV": "1", "QSTASH_DEV_PORT": "none"}, {}),
        ({"QSTASH_DEV": "1", "QSTASH_DEV_PORT": "65536"}, {}),
        ({"QSTASH_DEV": "1"}, {"chosen": "prod"}),
        ({}, {"local": True, "chosen": "prod"}),
        ({}, {"local": True, "url": "https://x.example.com"}),
    ],
)
def test_contradictions_are_usage_errors(env: dict[str, str], more: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        resolve_endpoint(env, server=NOTHING, **more)  # type: ignore[arg-type]


def test_tokens_are_not_shown_by_repr() -> None:
    endpoint = resolve_endpoint(ENV, server=NOTHING, given=GivenToken("f", "very-secret"))
    assert "very-secret" not in repr(endpoint)
    assert "very-secret" not in repr(GivenToken("f", "very-secret"))


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://QSTASH.upstash.io/", "https://qstash.upstash.io"),
        ("HTTPS://qstash.upstash.io:443", "https://qstash.upstash.io"),
        ("https://gw.example.com/qstash//", "https://gw.example.com/qstash"),
        (" https://h:8443 ", "https://h:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost:80/", "http://localhost"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://api.localhost", "http://api.localhost"),
    ],
)
def test_base_urls_have_one_form(text: str, url: str) -> None:
    assert base_url(text, source="--url") == url
    assert base_url(url, source="--url") == url


@pytest.mark.parametrize(
    "text",
    [
        "", "qstash.upstash.io", "ftp://h", "https://", "https:///path", "http://qstash.upstash.io", "http://10.0.0.1",
        "http://127.0.0.1.evil.com", "http://localhost.evil.com", "https://u:p@h", "https://user@h", "https://h?a=b",
        "https://h#x", "https://h:99999", "https://h:x", "https://[::1", "https://h /x", "https://h\\@evil", "https://a\tb",
    ],
)  # fmt: skip
def test_other_urls_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        base_url(text, source="QSTASH_URL")
    assert "QSTASH_URL" in raised.value.message
    assert "u:p" not in raised.value.message


def test_origins() -> None:
    assert origin("https://Qstash.Upstash.io:443/v2") == "https://qstash.upstash.io"
    assert origin("http://[::1]:8080/x") == "http://[::1]:8080"
    with pytest.raises(ValueError, match="no server"):
        origin("nothing")


def test_loopback() -> None:
    for url in ("http://localhost", "http://127.9.9.9:1", "http://[::1]", "http://localhost.:80"):
        assert is_loopback(url)
    for url in ("http://0.0.0.0", "http://10.0.0.1", "https://localhost.example.com", "http://[::2]", "x"):
        assert not is_loopback(url)
