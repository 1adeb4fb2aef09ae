"""What is wrong with rows and the files that they come from."""

from __future__ import annotations

from tests.vectors.mistakes import OWN, Mistake, bad_rows, data, generator, mixed_rows, one_of

DATA: dict[str, Mistake] = {
    "only-for-files": generator(forEach={"items": [OWN], "sha256": "0" * 64, "format": "csv"}),
    "bad-row-schema": one_of(
        *(
            generator(forEach={"items": [OWN], "rowSchema": schema})
            for schema in (
                {"$ref": "https://example.com/x"},
                {"type": "objekt"},
                {"properties": {"id": {"pattern": "("}}},
                {"properties": {"id": {"pattern": "(?=a)"}}},
            )
        )
    ),
    "row-schema": generator(
        forEach={
            "items": [OWN, {"id": 7}, {"id": "c", "n": "x"}],
            "rowSchema": {
                "required": ["id"],
                "properties": {"id": {"type": "string"}, "n": {"type": "integer", "minimum": 3}},
            },
        }
    ),
    "data-file-missing": generator(forEach={"file": "../data/nowhere.csv"}),
    "data-file-outside": one_of(
        generator(forEach={"file": "/etc/passwd", "format": "csv"}), generator(forEach={"file": "../../../x.csv"})
    ),
    "data-file-changed": data("pinned.csv", b"id\n1\n", sha256="0" * 64),
    "data-file": generator(forEach={"file": "../data", "format": "csv"}),
    "data-file-empty": data("empty.csv", b""),
    "data-file-broken": data("broken.csv.gz", b"\x1f\x8b\x08\x00nonsense"),
    "data-file-not-utf8": data("utf16.csv", "id\n1\n".encode("utf-16")),
    "data-file-not-utf8-2": data("latin.json", b'[{"id": "\xff"}]'),
    "unknown-format": data("rows.xls", b"id\n1\n"),
    "bad-data-header": one_of(data("header.csv", b"id,id\n1,2\n"), data("header2.csv", b"id,\n1,2\n")),
    "ragged-row": data("ragged.csv", b"id,n\n1\n2,3,4\n3,4\n"),
    "ragged-row-skipped": data("ragged2.csv", b"id,n\n1\n2,3,4\n3,4\n,5\n3,6\n", onBadRow="skip"),
    "bad-row": one_of(
        data("bad.jsonl", b'{"id": 1}\n{"id": \n[1]\n\n{"id": 2, "id": 3}\n{"id": NaN}\n'),
        data("bad.csv", b'id,n\n"a"b,2\n'),
    ),
    "row-not-utf8": one_of(data("l1.csv", b"id,n\n\xff,2\n1,2\n"), data("l1.jsonl", b'{"id": "\xff"}\n{"id": 1}\n')),
    "open-quote": data("quote.csv", b'id,n\n1,"open\n2,3\n'),
    "row-too-long": one_of(
        data("long.csv", b"id,n\n1," + b"x" * 1_100_000 + b"\n2,3\n"),
        data("l.jsonl", b'{"id": "' + b"y" * 1_000_001 + b'"}\n'),
    ),
    "not-json": data("not.json", b'[{"id": 1},]'),
    "not-rows": one_of(data("not.json", b'{"id": 1}'), data("not.yaml", b"id: 1\n")),
    "lfs-pointer": data(
        "lfs.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12\n"
    ),
    "more-bad-rows": data("many.csv", b"id,n\n" + b"x\n" * 120, onBadRow="error"),
    "bad-rows": bad_rows,
    "mixed-rows": mixed_rows,
    "packed-parquet": data("rows.parquet.gz", b"PAR1"),
    "many-bad-rows": data("more.csv", b"id,n\n" + b"x\n" * 10_010),
}
