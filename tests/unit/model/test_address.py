"""Addresses, and what is printed to be pasted."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.render.samples import plan_of
from wfdeploy.documents import yaml_docs
from wfdeploy.documents.structure import check
from wfdeploy.manifests.identify.run_ids import run_id
from wfdeploy.model.address import (
    MAX_KEY_LENGTH,
    Address,
    AddressParts,
    escaped_key,
    moved_entry,
    shell_pattern,
    shell_word,
    split_address,
)
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.document import SourceFile
from wfdeploy.model.workflow_id import parse_run_id
from wfdeploy.planning.targets import Targets
from wfdeploy.render.plan_text import text as plan_text
from wfdeploy.render.terminal import printable, without_commands

FINGERPRINT = f"1:{'a' * 26}"


KEYS = st.text(min_size=1, max_size=40) | st.text(alphabet="a%[]@/25\n\u2028\u200b B", min_size=1, max_size=12)


@given(KEYS)
def test_any_key_is_read_back_from_an_address_that_can_be_seen(key: str) -> None:
    parts = AddressParts("group", "name", key)
    address = parts.join()
    assert split_address(address) == parts
    assert printable(address) == address
    assert len(address.splitlines()) == 1
    assert AddressParts("group", "name", key, "2026-12-01T06:00Z").join().partition("@")[0]


@given(KEYS, KEYS)
def test_different_keys_have_different_addresses_and_run_ids(one: str, other: str) -> None:
    addresses = [AddressParts("group", "name", key).join() for key in (one, other)]
    ids = [run_id("project", "production", address, FINGERPRINT, 1) for address in addresses]
    assert (addresses[0] == addresses[1]) is (ids[0] == ids[1]) is (one == other)
    for id_ in ids:
        assert re.fullmatch(r"wfr_[A-Za-z0-9_-]{1,200}", id_)
        parts = parse_run_id(id_)
        assert parts is not None
        assert parts.fingerprint == FINGERPRINT


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("acme", "acme"),
        ("Köln/Mülheim [2]", "Köln/Mülheim [2]"),
        ("日本", "日本"),
        ("50%", "50%25"),
        ("a\tb\n", "a%09b%0A"),
        ("a\x85b", "a%C2%85b"),
        ("a\u202eb", "a%E2%80%AEb"),
        ("😀", "😀"),
    ],
)
def test_keys_are_readable(key: str, written: str) -> None:
    assert escaped_key(key) == written


HOSTILE = (
    "1", "1.0", "true", "null", "~", "a: b", "a:", ": ", "a #b", "#b", "a,b", "a, to: g/x", "}", "{", "[", "]", "][",
    '"', "'", "\\", "\\n", '\\"', "- a", "-", "&a", "*", "*a", "?", "? a", "!a", "!!str", "%", "%2A", "%3F", "%41", "@",
    "`id`", "$(id)", "$HOME", "${{ secrets.X }}", ";", "|", "|-", ">", "&&", "a b", " a ", "  ", "\t", "\n", "\r\n",
    "a\nb: c", "\0", "\x1b[31m", "\x7f", "\x85", "\xa0", "é", "日本", "\u202e", "\u2028", "\ufeff", "\ufffe", "\uffff",
    "\U0001f600", "\U000e0041", "##[group]", "##vso[x]", "::set-output::", "<<", "---", "...", "=", "0x1F", "1e3", "no",
    "''", '""', "'\"'\"'", "!", "!!", "^", "{a,b}", "a" * MAX_KEY_LENGTH, "\\u0041",
)  # fmt: skip


PASTED_KEYS = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def address(key: str, name: str = "r") -> Address:
    return AddressParts("g", name, key).join()


def with_each_hostile_key(test: Callable[[str, str], None]) -> Callable[[str, str], None]:
    for one, other in zip(HOSTILE, reversed(HOSTILE), strict=True):
        test = example(one, other)(test)
    return test


def moves(lines: str) -> list[tuple[str, str]]:
    """The moves of a group whose `moved:` these lines are."""
    head = "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: g}\nspec:\n"
    tail = "\n  destination: https://a.example.com\n  runs: [{name: r}]\n"
    problems: list[Diagnostic] = []
    source = SourceFile(display="m.yaml", name="m.yaml", folder=Path(), text=f"{head}{lines}{tail}")
    (document,) = yaml_docs.read(source, problems)
    assert problems == []
    assert check(document, "manifest") == []
    data: dict = document.data  # type: ignore[type-arg,assignment]
    return [(move["from"], move["to"]) for move in data["spec"]["moved"]]


@with_each_hostile_key
@given(PASTED_KEYS, PASTED_KEYS)
def test_an_entry_of_moved(one: str, other: str) -> None:
    entry = moved_entry(address(one), address(other, "s"))
    assert printable(entry) == entry
    assert moves(f"  moved:\n    {without_commands(entry)}") == [(address(one), address(other, "s"))]


@with_each_hostile_key
@given(PASTED_KEYS, PASTED_KEYS)
def test_a_plan_suggests_moves_that_can_be_pasted(one: str, other: str) -> None:
    pairs = ((address(one), address(other, "s")), (address("a"), Address("g/b")))
    plan = replace(plan_of([]), possibly_renamed=pairs)
    shown = without_commands("".join(plan_text(plan, everything=True)))  # of long ones, only one fits a screen
    block = shown[shown.index("  moved:") :].splitlines()[:3]
    assert moves("\n".join(block)) == list(pairs)


@with_each_hostile_key
@given(PASTED_KEYS, PASTED_KEYS)
def test_a_word_of_a_shell(one: str, other: str) -> None:
    line = f"wfdeploy state mv {shell_word(address(one))} {shell_word(address(other))}"
    assert printable(line) == line
    assert without_commands(line) == line
    assert shlex.split(line)[3:] == [address(one), address(other)]


def test_a_real_shell_agrees() -> None:
    words = [shell_word(address(key)) for key in HOSTILE]
    ran = subprocess.run(["sh", "-c", f"printf '%s\\n' {' '.join(words)}"], capture_output=True, check=True)
    assert ran.stdout.decode().split("\n")[:-1] == [address(key) for key in HOSTILE]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("text", ["a\nb", "\x1b[31m", "it's\t$HOME", "\u202eabc", "##[x]\n", "caf\udce9", "%41\r"])
def test_what_cannot_be_seen_is_escaped_for_a_shell(text: str) -> None:
    word = shell_word(text)
    assert printable(word) == word
    ran = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True)
    assert ran.stdout == text.encode(errors="surrogateescape")


@with_each_hostile_key
@given(PASTED_KEYS, PASTED_KEYS)
def test_a_glob_that_is_printed_means_one_address(one: str, other: str) -> None:
    line = f"wfdeploy state rm {shell_pattern(address(one))}"
    assert without_commands(printable(line)) == line
    *_, glob = shlex.split(line)
    assert Targets([glob]).match(address(one))
    assert Targets([glob]).match(address(other)) == (one == other)


def test_globs_that_people_write_mean_what_they_did() -> None:
    assert Targets(["g/r[*]"]).match("g/r[a]")
    assert Targets(["g/r[?]"]).match("g/r[*]")
    assert not Targets(["g/r[%2A]"]).match("g/r[a]")
    assert Targets(["g/r[100%25]"]).match(address("100%"))
