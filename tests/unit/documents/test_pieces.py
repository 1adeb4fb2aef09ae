"""Manifests read in pieces: all pieces together say what the whole says, or the file can't be read in pieces."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wfdeploy.documents import pieces as subject
from wfdeploy.documents import yaml_docs
from wfdeploy.documents.pieces import Pieces, cut
from wfdeploy.model.document import Document, Fields, SourceFile

HEAD = """\
# a comment
apiVersion: wfdeploy/v1
kind: RunGroup
metadata: {name: g}
spec:
  destination: https://app.example.com/wf?a=1&b=2
  defaults: {labels: [a]}
  runs: # in a column of their own

"""
ITEMS = """\
    - name: a
      body: {n: 1}
    # between
    - name: b
      bodyText: |+
        - name: not an item
          x

    -
      name: c
      headers:
        - x
        -   - y
    - {name: d, key: "in
      one"}
    - name: e
      bodyText: >
       folded

       text
"""
BARE = "spec:\n  runs:\n"
EVERYTHING = 10**9


@pytest.fixture(scope="module", autouse=True)
def _every_file_is_long() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subject, "LONG", 0)
        yield


@contextmanager
def usual(items: int, most: int | None = None) -> Iterator[None]:
    """Pieces of about so many items."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subject, "_USUAL", items)
        patch.setattr(subject, "_MOST", 4 * items if most is None else most)
        yield


def source(text: str) -> SourceFile:
    return SourceFile("m.yaml", "m.yaml", Path(), text)


def whole(text: str) -> Document | None:
    """The only document of a text, if nothing is wrong with it."""
    problems: list[Any] = []
    documents = list(yaml_docs.read(source(text), problems))
    return documents[0] if len(documents) == 1 and not problems else None


def read(text: str) -> tuple[Pieces, list[Document]] | None:
    """What the pieces say; None when the text can't be read in pieces."""
    found = cut(source(text))
    if found is None:
        return None
    documents = [document for document in map(found.read, found.pieces) if document is not None]
    return (found, documents) if len(documents) == len(found.pieces) else None


def lines(value: Any) -> Any:
    """The lines of all mappings."""
    if isinstance(value, dict):
        return [value.line if isinstance(value, Fields) else None, [lines(item) for item in value.values()]]
    return [lines(item) for item in value] if isinstance(value, list) else None


def lines_of_the_header(data: Any) -> Any:
    spec = data["spec"]
    others = [lines(value) for fields in (data, spec) for key, value in fields.items() if key not in ("spec", "runs")]
    return [data.line, spec.line, others]


def assert_covered(text: str, found: Pieces) -> None:
    """The pieces are the text from the first item on, each of it once, and say where they stand."""
    at, first = found.head, 0
    for piece in found.pieces:
        assert (piece.start, piece.first) == (at, first)
        assert piece.line == text.count("\n", 0, piece.start)
        assert piece.count > 0
        assert text[piece.start :].startswith(" " * found.column + "-")
        at, first = piece.end, first + piece.count
    assert at == len(text)


def assert_same(text: str, found: Pieces, documents: list[Document]) -> None:
    assert_covered(text, found)
    expected = whole(text)
    assert expected is not None, "a file with something wrong in it was read all the same"
    data: Any = expected.data
    runs: list[Any] = []
    for piece, document in zip(found.pieces, documents, strict=True):
        mine: Any = document.data
        assert document.first_run == piece.first == len(runs)
        assert document.source.text == text
        assert (document.index, document.line) == (expected.index, expected.line)
        assert {**mine, "spec": {**mine["spec"], "runs": None}} == {**data, "spec": {**data["spec"], "runs": None}}
        assert list(mine) == list(data)
        assert list(mine["spec"]) == list(data["spec"])
        assert lines_of_the_header(mine) == lines_of_the_header(data)
        runs += mine["spec"]["runs"]
    assert runs == data["spec"]["runs"]
    assert lines(runs) == lines(data["spec"]["runs"])
    assert any(document.has_expressions for document in documents) == expected.has_expressions
    assert any(document.has_extreme_numbers for document in documents) == expected.has_extreme_numbers


def assert_same_where_read(text: str) -> bool:
    """Whether it could be read in pieces."""
    found = read(text)
    if found is not None:
        assert_same(text, *found)
    return found is not None


def indented(text: str, less: int) -> str:
    return "".join(f"{line[less:]}\n" if line else "\n" for line in text.split("\n"))


# --- what is read ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("items", [1, 2, 3, EVERYTHING])
@pytest.mark.parametrize("less", [0, 2])
def test_the_pieces_of_a_manifest_say_what_it_says(items: int, less: int) -> None:
    text = HEAD + indented(ITEMS, less)
    with usual(items):
        found = read(text)
    assert found is not None
    assert sum(piece.count for piece in found[0].pieces) == 5
    assert len(found[0].pieces) == {1: 5, EVERYTHING: 1}.get(items, len(found[0].pieces))
    assert_same(text, *found)


@pytest.mark.parametrize("text", [HEAD + ITEMS, HEAD + "    - name: a\n", HEAD + "    - name: a", BARE + "  - a: 1"])
def test_there_may_be_one_piece_alone(text: str) -> None:
    with usual(EVERYTHING):
        found = read(text)
    assert found is not None
    assert len(found[0].pieces) == 1
    assert_same(text, *found)


def test_a_piece_has_no_more_items_than_allowed() -> None:
    text = HEAD + "".join(f"    - name: n{number}\n" for number in range(50))
    with usual(EVERYTHING, most=7):
        found = read(text)
    assert found is not None
    assert [piece.count for piece in found[0].pieces] == [*[7] * 7, 1]
    assert_same(text, *found)


def test_a_short_file_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEAD + ITEMS
    monkeypatch.setattr(subject, "LONG", len(text) + 1)
    assert cut(source(text)) is None
    monkeypatch.setattr(subject, "LONG", len(text))
    assert cut(source(text)) is not None


def test_a_marker_before_the_document_is_none_of_the_pieces_business() -> None:
    for before in ("---\n", "--- # one\n", "\n\n"):
        with usual(1):
            assert assert_same_where_read(before + HEAD + ITEMS)


@pytest.mark.parametrize(
    "item",
    [
        "    - {name: x, body: '${{ vars.a }}'}\n",
        "    - {name: x, body: 9007199254740993}\n",
        "    - {name: x, body: .nan}\n",
        "    - {name: x, body: 'a\u2028b\x85c'}\n",
        "    - {name: x, body: \U0001f600}\n",
        "    - ? name\n      : x\n",
        "    - name: x\n      bodyText: |\n     \n        a\n\n\n",
        "    - name: x # a comment\n\n# at the margin\n",
        "    - !!map {name: x}\n",
    ],
)
@pytest.mark.parametrize("position", range(3))
def test_any_item_may_stand_anywhere(item: str, position: int) -> None:
    others = ["    - name: a\n      body: 1\n", "    - name: b\n"]
    others.insert(position, item)
    text = HEAD + "".join(others)
    with usual(1):
        assert assert_same_where_read(text)


def test_what_the_header_says_of_numbers_and_expressions_holds_for_each_piece() -> None:
    head = HEAD.replace("labels: [a]", "labels: ['${{ vars.a }}'], body: 9007199254740993")
    with usual(1):
        found = read(head + ITEMS)
    assert found is not None
    assert all(document.has_expressions and document.has_extreme_numbers for document in found[1])


# --- what is not -------------------------------------------------------------------------------------------------

CHANGES: dict[str, Callable[[str], str]] = {
    "a key after the runs": lambda text: text + "  policy: {onChange: error}\n",
    "a key after spec": lambda text: text + "other: 1\n",
    "an end": lambda text: text + "...\n",
    "two documents": lambda text: text + "---\n" + text,
    "another document": lambda text: text + "--- # and so on\na: 1\n",
    "an alias in another item": lambda text: text.replace("name: a", "name: &a a").replace("name: e", "name: *a"),
    "an alias to the header": lambda text: text.replace("{labels: [a]}", "&a {labels: [a]}").replace("{n: 1}", "*a"),
    "an alias in the same item": lambda text: text.replace("name: e", "name: &a e\n      other: *a"),
    "an anchor": lambda text: text.replace("name: e", "name: &a e"),
    "an anchor of an item": lambda text: text.replace("-\n      name: c", "- &a\n      name: c"),
    "an anchor of the runs": lambda text: text.replace("runs:", "runs: &a"),
    "text after a folded scalar": lambda text: text.replace("bodyText: >", "bodyText: > broken"),
    "a key twice": lambda text: text.replace("name: b", "name: b\n      name: b"),
    "a dash in a quoted text": lambda text: text.replace("name: b", "name: 'b\n    - name: x'"),
    "a dash in a flow sequence": lambda text: text.replace("{n: 1}", "[1,\n    - 2]"),
    "a dash less indented": lambda text: text.replace("    - name: b", "   - name: b"),
    "no dash": lambda text: text.replace("    - name: b", "    name: b"),
    "a tab": lambda text: text.replace("    - name: b", "\t- name: b"),
    "an item that is null": lambda text: text.replace("    - name: b", "    - ~\n    - name: b"),
    "an empty item": lambda text: text.replace("    - name: b", "    -\n    - name: b"),
    "an item that is a text": lambda text: text.replace("    - name: b", "    - x\n    - name: b"),
    "forEach": lambda text: text.replace("name: b", "name: b\n      forEach: {items: [1]}"),
    "matrix": lambda text: text.replace("name: b", "name: b\n      matrix: {a: [1]}"),
    "runs in a text": lambda text: text.replace(
        "spec:\n", "spec:\n  note: |\n    runs:\n    - name: x\n    - name: y\n"
    ),
    "a flow mapping": lambda text: text.replace("spec:\n", "spec: {\n").replace("  runs:", "runs:"),
    "a quoted key": lambda text: text.replace("runs:", "'runs':"),
    "a tag": lambda text: text.replace("runs:", "runs: !!seq"),
    "another mapping's runs": lambda text: text.replace("  runs:", "spec2:\n  runs:"),
    "carriage returns": lambda text: text.replace("\n", "\r\n"),
    "a carriage return": lambda text: text.replace("name: c\n", "name: c\r"),
    "a key of the header twice": lambda text: text.replace("kind: RunGroup\n", "kind: RunGroup\nkind: RunGroup\n"),
    "a document before": lambda text: "a: 1\n---\n" + text,
    "a directive": lambda text: "%YAML 1.1\n---\n" + text,
    "no items": lambda text: text[: text.index("    - name: a")],
    "runs twice": lambda text: text.replace("  runs:", "  runs: []\n  runs:"),
    "an unfinished header": lambda text: text.replace("{labels: [a]}", "{labels: [a]"),
    "an unfinished text in the header": lambda text: text.replace("{labels: [a]}", "'labels"),
    "a character that may not stand in YAML": lambda text: text.replace("name: c", "name: c\x07"),
    "a tag that isn't known": lambda text: text.replace("name: c", "name: !x c"),
    "a long key": lambda text: text.replace("name: c", "? [name]\n      : c"),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("items", [1, 2, 3, EVERYTHING])
def test_what_pieces_cannot_say_is_left_to_the_whole(what: str, items: int) -> None:
    text = CHANGES[what](HEAD + ITEMS)
    assert text != HEAD + ITEMS
    with usual(items):
        assert read(text) is None


@pytest.mark.parametrize("indent", ["", "    ", "\t"])
def test_an_item_that_closes_the_list_is_noticed(indent: str) -> None:
    """A line that is indented less than the items belongs to somebody else."""
    text = HEAD.replace("  runs:", "  other: 1\n  runs:") + ITEMS + indent + "b: 1\n" + ITEMS
    with usual(1):
        assert read(text) is None


# --- whatever stands there ---------------------------------------------------------------------------------------

LINES = st.sampled_from(
    ["    - name: x", "    - ", "    -", "    - a: 1", "    - - b", "      b: 2", "      - c", "     d: 3", "    e: 4",
     "  f: 5", "g: 6", "", "    # no", "- h", "  - i", "    - |", "    - k: >-", "        text", "     text",
     "    - 'l", "    - m'", "    - [", "    ]", "    - {a: b,", "      }", "    - n: &a 1", "    - o: *a", "    - ? p",
     "      : q", "    - r: 1.5", "    - s: ${{ t }}", "---", "...", "    -- u", "    - \"v", "      w\"", "    - x:",
     "      -", "\ty", "    - z: \u2028", "    - !!str a", "  runs:", "    - name: ''", "    - 9007199254740993: 1",
     "    - aa: |2", "    - ab: |+", "   ", "    - ac: 'd", "      e: |", "# f", "    - {g: h}", "    -\ti: 1",
     "    - j: 9007199254740993", "  - k: 1", "  - l: |", "    m", "    - ''", "\ufeff    - n: 1", "    - <<: {o: 1}",
     "    - ab: \x85", "    - !t {}", "%p", "    - : q"]
)  # fmt: skip
HEADS = st.sampled_from(
    [HEAD, BARE, "spec:\n    runs:\n", "a: |\n spec:\n   runs:\n", "spec:\n  a: [\n  runs:\n",
     "spec:\n  a: '\n  runs:\n",
     "spec:\n  a: |\n   x\n  runs:\n", "a: &a 1\nspec:\n  runs:\n", "spec:\n  a:\n    runs:\n",
     "spec: !!map\n  runs:\n",
     "spec:\n  runs: \n", "spec:\n  ? runs:\n", "---\nspec:\n  runs:\n", "? spec\n:\n  runs:\n", "spec:\n- runs:\n",
     "spec:\n  runs: #\n\n", "x:\n  spec:\n    runs:\n", "spec:\n  a: ${{ b }}\n  runs:\n"]
)  # fmt: skip


@settings(max_examples=600)
@given(HEADS, st.lists(LINES, max_size=12), st.integers(1, 3))
def test_pieces_that_are_read_say_what_the_whole_says(head: str, body: list[str], items: int) -> None:
    with usual(items):
        assert_same_where_read(head + "\n".join(body))


@settings(max_examples=300)
@given(
    st.sampled_from([HEAD, BARE.replace("runs", "  runs"), BARE]),
    st.lists(LINES.filter(lambda line: line.startswith(("    -", "      "))), max_size=12),
    st.integers(1, 3),
)
def test_likely_pieces_say_what_the_whole_says(head: str, body: list[str], items: int) -> None:
    text = head + "".join(f"    - name: n{number}\n{line}\n" for number, line in enumerate(body))
    with usual(items):
        assert_same_where_read(text)


# --- what an edit changes ----------------------------------------------------------------------------------------


def texts(items: list[str]) -> list[str]:
    text = HEAD + "".join(items)
    found = read(text)
    assert found is not None
    assert_same(text, *found)
    return [text[piece.start : piece.end] for piece in found[0].pieces]


def item(rng: random.Random, number: int) -> str:
    name = f"n{number}-{rng.randrange(1000)}"
    return rng.choice(
        [
            f"    - name: {name}-{'x' * 80}\n      body: {{n: {rng.randrange(9)}}}\n",
            f"    - {{name: {name}, labels: [{'y' * 80}], retries: 2}}\n\n",
            f"    - name: {name}\n      destination: https://a.example.com/{'z' * 80}\n      bodyText: |\n        a\n",
        ]
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 20), st.sampled_from(["add", "remove", "edit"]))
def test_an_edit_leaves_all_pieces_but_one_or_two_as_they_were(seed: int, items: int, how: str) -> None:
    rng = random.Random(seed)
    before = [item(rng, number) for number in range(60)]
    at, after = rng.choice([0, 1, 58, 59, rng.randrange(60)]), [*before]
    if how == "add":
        after.insert(at, item(rng, 99))
    elif how == "remove":
        del after[at]
    else:
        after[at] = item(rng, 99)
    with usual(items, most=EVERYTHING):
        old, new = texts(before), texts(after)
    pairs = zip(old, new, strict=False)
    same = next((n for n, (one, other) in enumerate(pairs) if one != other), min(len(old), len(new)))
    rest_old, rest_new = old[same:], new[same:]
    while rest_old and rest_new and rest_old[-1] == rest_new[-1]:
        del rest_old[-1], rest_new[-1]
    assert max(len(rest_old), len(rest_new)) <= 2


def test_an_edit_of_short_items_changes_few_pieces_too() -> None:
    before = [f"    - {{name: n{number}}}\n" for number in range(400)]
    with usual(10):
        old = set(texts(before))
        assert len(old) > 20
        for at in range(0, 400, 7):
            after = [*before[:at], f"    - {{name: m{at}}}\n", *before[at + at % 2 :]]
            assert len(set(texts(after)) - old) <= 4, at


def test_a_change_of_the_header_leaves_the_pieces_as_they_were() -> None:
    rng = random.Random(1)
    items = [item(rng, number) for number in range(40)]
    with usual(3):
        first = cut(source(HEAD + "".join(items)))
        second = cut(source(HEAD.replace("kind", "# more\nkind") + "".join(items)))
    assert first is not None
    assert second is not None
    assert [one.count for one in first.pieces] == [one.count for one in second.pieces]
    assert [one.line + 1 for one in first.pieces] == [one.line for one in second.pieces]
