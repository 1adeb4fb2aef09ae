"""Nothing of a secret is left in a scrubbed text, however it was encoded on its way back."""

from __future__ import annotations

import base64
import html
import json
import quopri
import re
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wfdeploy.upstash.scrub import MASK, Scrubber, visible


def every_percent(value: str) -> str:
    return "".join(f"%{octet:02x}" for octet in value.encode())


def every_unicode_escape(value: str) -> str:
    units = value.encode("utf-16-be")
    return "".join(f"\\u{high:02X}{low:02x}" for high, low in zip(units[::2], units[1::2], strict=True))


def base64_at(offset: int, *, urlsafe: bool) -> Callable[[str], str]:
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    return lambda value: encode(b"xyz"[:offset] + value.encode() + b"tail").decode()


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent": lambda value: quote(value, safe=""),
    "percent, lower case": lambda value: re.sub("%..", lambda match: match[0].lower(), quote(value, safe="")),
    "percent, plus": quote_plus,
    "percent, all of it": every_percent,
    "percent, twice": lambda value: quote(quote(value, safe=""), safe=""),
    "json": json.dumps,
    "json in json": lambda value: json.dumps(json.dumps({"error": value})),
    "json, not ascii": lambda value: json.dumps(value, ensure_ascii=False),
    "json, all escaped": every_unicode_escape,
    "html": html.escape,
    "html, numbers": lambda value: "".join(f"&#{ord(char)};" for char in value),
    "html, hex numbers": lambda value: "".join(f"&#x{ord(char):X};" for char in value),
    "hex": lambda value: value.encode().hex(),
    "hex, upper case": lambda value: value.encode().hex().upper(),
    "quoted-printable": lambda value: quopri.encodestring(value.encode(), quotetabs=True).decode(),
    "repr": repr,
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    **{
        f"base64{'url' if urlsafe else ''}, alignment {offset}": base64_at(offset, urlsafe=urlsafe)
        for offset in range(3)
        for urlsafe in (False, True)
    },
}

secrets = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="*\x7f", exclude_categories=["C", "Z"]),
    min_size=8,
    max_size=60,
)


@pytest.mark.parametrize("name", ENCODINGS)
@settings(max_examples=20, deadline=None)
@given(
    secret=secrets,
    before=st.sampled_from(["", "token ", "a=", '{"x":"']),
    after=st.sampled_from(["", " is bad", "&b=1"]),
)
@example(secret="s3cr3t/with+odd=chars&%", before="", after="")
@example(secret="eyJVc2VySUQiOiJkZWZhdWx0VXNlciJ9", before="Bearer ", after="")
def test_no_encoding_of_a_secret_survives(name: str, secret: str, before: str, after: str) -> None:
    encoded = ENCODINGS[name](secret)
    clean = Scrubber([secret], limit=10_000)(f"{before}{encoded}{after}")
    assert MASK in clean
    assert secret not in clean
    for decoded in (encoded, visible(encoded)):
        assert decoded.strip("\"' ") not in clean


@given(
    secret=secrets,
    cut=st.integers(1, 7),
    escape=st.sampled_from(["\x1b[31m", "\x00", "\u200b", "\x1b]0;t\x07", "\u202e"]),
)
def test_what_an_escape_sequence_keeps_apart_is_found(secret: str, cut: int, escape: str) -> None:
    assert secret not in Scrubber([secret], limit=10_000)(secret[:cut] + escape + secret[cut:])


@given(st.lists(st.text("abc", min_size=4, max_size=8), min_size=1, max_size=4), st.text("abc", max_size=40))
def test_overlapping_secrets_leave_nothing_of_each_other(values: list[str], text: str) -> None:
    clean = Scrubber(values)(text)
    covered = [False] * len(text)
    for value in values:
        for at in range(len(text)):
            if text.startswith(value, at):
                covered[at : at + len(value)] = [True] * len(value)
    assert clean.replace(MASK, "") == "".join(char for char, hidden in zip(text, covered, strict=True) if not hidden)


def test_a_short_secret_is_masked_as_a_word_only() -> None:
    scrub = Scrubber(["7", "abc", ""])
    assert scrub("abc: 7 of 17 abcs, status 400") == "***: *** of 17 abcs, status 400"


def test_a_key_of_many_lines_is_masked_line_by_line() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END KEY-----\n"
    assert "MIIEvQ" not in Scrubber([key])("bad header: MIIEvQIBADANBgkqhkiG9w0BAQEFAASC")
    assert "BKcwgg" not in Scrubber([key])(f"bad header: {key}")
    assert "BKcwgg" not in Scrubber([key])(f"bad header: {json.dumps(key)}")


def test_a_very_long_secret_is_masked_too() -> None:
    secret = "0123456789abcdef/+" * 60
    scrub = Scrubber([secret])
    for encode in (str, quote_plus, json.dumps, ENCODINGS["base64"], ENCODINGS["hex"]):
        assert "abcdef" not in scrub(f"no: {encode(secret)}")


@pytest.mark.parametrize("value", ["a" * 12, "\\\\\\\\aaaa\\\\\\\\", "%%%%%%%%", "&&&&####", "    pad    "])
@pytest.mark.parametrize("text", ["\\", "%25", "&amp;", "a", " ", "=\n", "\\u0061", "\x1b[", "\x1b]"])
def test_no_text_takes_for_ever(value: str, text: str) -> None:
    began = time.process_time()
    Scrubber([value])(text * 16_000)
    assert time.process_time() - began < 5.0  # a second is usual for none, minutes were for some


def test_a_text_becomes_one_visible_line() -> None:
    assert (
        Scrubber([])("\x1b[31mred\x1b[0m\r\n\tand \x07more\x00 \u202eback\u2028next \x9b2Jx")
        == "red and more back next x"
    )
    assert visible("\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\") == "click"


def test_a_long_text_is_cut() -> None:
    clean = Scrubber([], limit=20)("word " * 100)
    assert len(clean) <= 20
    assert clean.endswith("…")


def test_a_secret_across_the_cut_is_not_cut_in_half() -> None:
    clean = Scrubber(["topsecretvalue"], limit=20)("x" * 12 + " topsecretvalue")
    assert "tops" not in clean


@given(st.text())
def test_any_text_comes_out_printable(text: str) -> None:
    clean = Scrubber(["some-secret"])(text)
    assert len(clean) <= 500
    assert not any(char in clean for char in "\x00\x1b\n\r\x9b\u202e")
    clean.encode()
