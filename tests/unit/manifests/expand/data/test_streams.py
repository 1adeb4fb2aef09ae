from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd

from tests.unit.manifests.expand.expanding import from_file
from wfdeploy.manifests.expand.data import streams
from wfdeploy.manifests.expand.data.streams import BLOCK_BYTES, DataStream, FileProblem

LINES = b"".join(b'{"id": "k%d"}\n' % number for number in range(50_000))

PACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".zst": zstd.compress}


def blocks(path: Path) -> tuple[list[bytes], str]:
    with DataStream(path) as stream:
        return list(stream.blocks()), stream.finish()


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_blocks_end_where_lines_end_and_the_digest_is_that_of_the_file(tmp_path: Path, suffix: str) -> None:
    content = PACK[suffix](LINES) if suffix else LINES
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(content)
    pieces, digest = blocks(path)
    assert b"".join(pieces) == LINES
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert max(map(len, pieces)) <= BLOCK_BYTES + 20
    assert digest == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_several_members_are_one_file(tmp_path: Path, suffix: str) -> None:
    content = PACK[suffix](b'{"id": 1}\n') + PACK[suffix](b'{"id": 2}\n')
    assert from_file(tmp_path, f"a.jsonl{suffix}", content).keys == ["1", "2"]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("cut", [1, 5, 20, 1000])
def test_a_file_that_ends_in_the_middle_is_told(tmp_path: Path, suffix: str, cut: int) -> None:
    found = from_file(tmp_path, f"a.jsonl{suffix}", PACK[suffix](LINES)[:-cut])
    assert found.told == ["m.yaml:8 data-file-broken"]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_file_of_another_kind_is_told(tmp_path: Path, suffix: str) -> None:
    assert from_file(tmp_path, f"a.jsonl{suffix}", LINES).told == ["m.yaml:8 data-file-broken"]


def test_a_file_that_was_damaged_is_told(tmp_path: Path) -> None:
    checked: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}
    for suffix, packed in ((".gz", gzip.compress(LINES)), (".zst", zstd.compress(LINES, options=checked))):
        broken = bytearray(packed)
        broken[len(broken) // 2] ^= 0xFF
        assert "m.yaml:8 data-file-broken" in from_file(tmp_path, f"a.jsonl{suffix}", bytes(broken)).told


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_bomb_is_not_unpacked(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FREE_BYTES", 1 << 20)
    rows = b"id\n" + (b"a" * 1000 + b"\n") * 4000
    found = from_file(tmp_path, f"a.csv{suffix}", PACK[suffix](rows))
    assert found.told == ["m.yaml:8 data-file-too-big"]
    assert 0 < len(found.runs) < 3000
    found = from_file(tmp_path, f"a.jsonl{suffix}", PACK[suffix](b"x" * (8 << 20)))
    assert found.told == ["m.yaml:8 data-file-too-big"]


def test_a_line_is_held_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_LINE_BYTES", 1 << 20)
    row = b'{"id": "%b"}' % (b"x" * (1 << 19))
    assert from_file(tmp_path, "a.jsonl", row, key="row.id | length").keys == [str(1 << 19)]
    assert from_file(tmp_path, "a.jsonl", row * 4).told == ["m.yaml:8 row-too-long"]


@pytest.mark.parametrize("name", ["a.json", "a.yaml"])
def test_what_is_read_as_a_whole_has_a_limit(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_WHOLE_BYTES", 1000)
    assert from_file(tmp_path, name, b"[{id: 1}]".replace(b"id", b'"id"')).told == []
    assert from_file(tmp_path, name, b"[" + b"1," * 1000 + b"1]").told == ["m.yaml:8 data-file-too-big"]


def test_a_file_that_changes_while_it_is_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINES)
    with DataStream(path) as stream:
        assert next(stream.blocks())
        path.write_bytes(LINES + LINES)
        with pytest.raises(FileProblem, match="was changed"):
            stream.finish()


def test_an_extra_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for module in ("compression.zstd", "backports.zstd", "pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)
    for name, extra in (("a.jsonl.zst", "zstd"), ("a.parquet", "parquet")):
        found = from_file(tmp_path, name, b"x")
        assert [one.code for one in found.diagnostics] == ["missing-extra"]
        assert f"wfdeploy[{extra}]" in (found.diagnostics[0].hint or "")


CONFLICT = b"<<<<<<< HEAD\n%s\n=======\n%s\n>>>>>>> other\n"


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.csv", b"id,n\na,1\n" + CONFLICT % (b"b,2", b"b,3"), 3),
        ("a.csv", CONFLICT % (b"id,n", b"id,m") + b"a,1\n", 1),
        ("a.csv", b"id\r\na\r\n" + CONFLICT.replace(b"\n", b"\r\n") % (b"b", b"c"), 3),
        ("a.csv", b"id\na\n=======\nb\n>>>>>>> other\n", 5),
        ("a.csv", b'id,n\na,"\n' + CONFLICT % (b"b", b"c") + b'"\n', 3),
        ("a.csv", b"id\n" + b"a\n" * 200_000 + CONFLICT % (b"b", b"c"), 200_002),
        ("a.tsv", b"id\tn\na\t1\n" + CONFLICT % (b"b\t2", b"b\t3"), 3),
        ("a.jsonl", b'{"id": 1}\n' + CONFLICT % (b"{}", b"{}"), 2),
        ("a.json", b'[{"id": 1}\n' + CONFLICT % (b"", b"") + b"]", 2),
        ("a.yaml", b"- id: 1\n" + CONFLICT % (b"- id: 2", b"- id: 3"), 2),
    ],
)
@pytest.mark.parametrize("more", ["", ", onBadRow: skip"])
def test_what_a_merge_left_is_never_data(tmp_path: Path, name: str, content: bytes, line: int, more: str) -> None:
    assert from_file(tmp_path, name, content, more=more).told[-1:] == [f"{name}:{line} merge-conflict"]


def test_text_with_such_lines_is_no_conflict(tmp_path: Path) -> None:
    content = b'id,n\na,"Title\n=======\n"\nb,">>>>>>>\n >>>>>>> x\n<<<<<<<<<<"\n'
    assert from_file(tmp_path, "a.csv", content).told == []
