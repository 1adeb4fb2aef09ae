"""Damage: to bytes, to text, and to parsed values, which gets further than any flipped bit."""

from __future__ import annotations

import copy
import json
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

ODD_TEXT = (
    "", " ", "\0", "a\0b", "\n", "\r\n", "\t", "\x1b[2J", "\x9b", "\u2028", "\u202e", "\ufeff", "\ud800", "\udc00x",
    "\U0010ffff", "\u0130", "e\u0301", "\u00e9", "::error::x", "##[error]x", "~", "null", "true", "no", "0x10", "0o17",
    "1_000", "1e999", ".inf", ".nan", "-0", "12:30", "2026-12-01", "<<", "*a", "&a", "!!python/object/apply:os.system",
    "!!binary", "${{ vars.x }}", "${{ 'a' * 10000000 }}", "${{ row.a ~ row }}", "${{ secrets.APP_TOKEN }}", "${{", "}}",
    "{{ 7*7 }}", "{% for x in range(999999999) %}{% endfor %}", "../../../etc/passwd", "/etc/passwd", "file:///etc",
    "/dev/zero", "/proc/self/environ", "..", ".", ".git/config", ".wfdeploy/x", "con", "a" * 300, "wfr_", "wfr_wfr_",
    "__proto__", "__class__", "1" * 5000, "[" * 50, "https://", "http://[::1", "https://a:b@c", "99999999999999999d",
    "-1s", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "* * * * *", "(a+)+$", "\\", '"', "'", "%00", "%s",
)  # fmt: skip

ODD_NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**30, 10**400, -0.0, 0.1, 1.0, 1e15,
    1e16, 1e300, -1e300, float("inf"), float("-inf"), float("nan"),
)  # fmt: skip

_ODD_BYTES = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc0\x80", b"\r", b"\n", b"\t", b"9" * 30, b"-", b": ", b"- ", b'"', b"[",
    b"{", b"#",
)  # fmt: skip


class Damage:
    """Mutations from one source of randomness."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    # --- bytes -----------------------------------------------------------------------------------------------

    def octets(self, data: bytes, others: Sequence[bytes] = ()) -> bytes:
        """Some bytes, damaged one to four times."""
        for _ in range(self.rng.choice((1, 1, 1, 2, 4))):
            data = self._octets_once(data, others)
        return data

    def _octets_once(self, data: bytes, others: Sequence[bytes]) -> bytes:
        rng = self.rng
        at, end = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
        short = min(end, at + rng.choice((1, 4, 16, 64, 4096)))
        match rng.randrange(11):
            case 0:
                return data[:at]
            case 1:
                return data[at:]
            case 2:
                return data[:at] + data[short:]
            case 3:
                return data[:short] + data[at:short] * rng.choice((1, 2, 50)) + data[short:]
            case 4:
                return data[:at] + rng.randbytes(short - at) + data[short:]
            case 5 if data:
                spot = rng.randrange(len(data))
                return data[:spot] + bytes([data[spot] ^ (1 << rng.randrange(8))]) + data[spot + 1 :]
            case 6 if others:
                other = rng.choice(others)
                from_, to = sorted((rng.randint(0, len(other)), rng.randint(0, len(other))))
                return data[:at] + other[from_:to] + data[short:]
            case 7:
                odd = rng.choice(ODD_TEXT).encode("utf-8", "surrogatepass")
                return data[:at] + odd + data[short:] if rng.random() < 0.5 else data[:at] + odd + data[at:]
            case 8:
                return data[:at] + rng.choice(_ODD_BYTES) + data[at:]
            case 9:
                lines = data.splitlines(keepends=True)
                if len(lines) > 1:
                    first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
                    lines[first], lines[second] = lines[second], lines[first]
                return b"".join(lines)
            case _:
                lines = data.splitlines(keepends=True) or [b""]
                spot = rng.randrange(len(lines))
                return b"".join(lines[:spot] + lines[spot : spot + 1] * rng.choice((0, 2, 40)) + lines[spot + 1 :])

    # --- values ----------------------------------------------------------------------------------------------

    def value(self, value: Any, pieces: Sequence[Any] = ()) -> Any:
        """A JSON value with one to four places damaged. `pieces`: what makes sense in the format, or nearly does."""
        value = self._copy(value)
        for _ in range(self.rng.choice((1, 1, 1, 2, 4))):
            value = self._value_once(value, pieces)
        return value

    def _value_once(self, value: Any, pieces: Sequence[Any]) -> Any:
        rng = self.rng
        holders = [holder for holder in _containers(value) if holder]
        if not holders or rng.random() < 0.01:
            return self.odd(pieces)
        holder = rng.choice(holders)
        steps = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        step = rng.choice(steps)
        match rng.randrange(9):
            case 0:
                del holder[step]
            case 1:
                other = rng.choice(holders)
                picked = rng.choice(list(other.values()) if isinstance(other, dict) else other)
                holder[step] = self._copy(picked)
            case 2 if isinstance(holder, list):
                holder[step:step] = self._copy(holder[step : step + 1]) * rng.choice((1, 2, 30))
            case 2 | 3 if isinstance(holder, dict):
                name = self.odd(pieces)
                holder[name if isinstance(name, str) else rng.choice(ODD_TEXT)] = holder.get(step)
                if rng.random() < 0.5:
                    holder.pop(step, None)
            case 4 if isinstance(holder[step], str):
                holder[step] = self.text(holder[step])
            case 5 if isinstance(holder[step], int | float):
                holder[step] = rng.choice(
                    (-holder[step], float(min(holder[step], 2**60)), str(holder[step]), bool(holder[step]))
                )
            case 6 if rng.random() < 0.3:
                holder[step] = self.deep(holder[step])
            case _:
                holder[step] = self.odd(pieces)
        return value

    def _copy(self, value: Any) -> Any:
        """A copy that shares nothing. What earlier damage has nested deeper than the stack is given up for another."""
        try:
            return copy.deepcopy(value)
        except RecursionError:
            return [self.odd()]

    def odd(self, pieces: Sequence[Any] = ()) -> Any:
        """A value that nobody expects."""
        rng = self.rng
        if pieces and rng.random() < 0.5:
            return copy.deepcopy(rng.choice(pieces))
        return copy.deepcopy(
            rng.choice(
                (
                    rng.choice(ODD_TEXT),
                    rng.choice(ODD_NUMBERS),
                    None,
                    True,
                    False,
                    {},
                    [],
                    [[]],
                    [None],
                    {"a": 1},
                    {"": ""},
                )
            )
        )

    def text(self, text: str) -> str:
        """A text with something in it, or something gone."""
        rng = self.rng
        at = rng.randint(0, len(text))
        return rng.choice((
            text[:at] + rng.choice(ODD_TEXT) + text[at:], text[:at], text[at:], text + text, text.upper(),
            text[:at] + chr(rng.choice((0, 7, 0x1B, 0x7F, 0x85, 0xA0, 0xAD, 0xD800, 0xFEFF, 0x10FFFF))) + text[at:],
        ))  # fmt: skip

    def deep(self, value: Any) -> Any:
        """The value under many levels."""
        as_list = self.rng.random() < 0.5
        for _ in range(self.rng.choice((5, 60, 120, 400))):
            value = [value] if as_list else {"a": value}
        return value

    def nested(self) -> bytes:
        """JSON far deeper than any stack."""
        depth = self.rng.choice((200, 2_000, 100_000))
        return self.rng.choice((b"[" * depth, b"[" * depth + b"]" * depth, b'{"a":' * depth, b'[{"a":' * depth))

    def encoded(self, value: Any) -> bytes:
        """As JSON: escaped or not, compact or not, once in a while with lone surrogates as they are."""
        indent, plain = self.rng.choice((None, 1)), self.rng.random() < 0.5
        try:
            text = json.dumps(value, ensure_ascii=plain, indent=indent)
        except RecursionError:
            return b"null"
        return text.encode("utf-8", self.rng.choice(("replace", "surrogatepass")))


def _containers(value: Any) -> list[Any]:
    found, stack = [], [value]
    while stack:
        one = stack.pop()
        if isinstance(one, dict | list):
            found.append(one)
            stack.extend(one.values() if isinstance(one, dict) else one)
    return found


def damage_database(rng: random.Random, path: Path, sound: bytes, begun: bytes, sound_log: bytes) -> None:
    """Put a damaged database at `path`: a value of another kind in a row, other bytes in the file, or in its log.

    `begun`: the file as it was while its log held the rest of `sound`.
    """
    damage = Damage(rng)
    for file in path.parent.iterdir():
        file.unlink()
    chance = rng.random()
    if chance < 0.4:
        path.write_bytes(sound)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            _edit(rng, connection)
    elif chance < 0.7:
        path.write_bytes(damage.octets(sound, [sound_log]))
    else:
        path.write_bytes(begun if rng.random() < 0.8 else damage.octets(begun))
        path.with_name(f"{path.name}-wal").write_bytes(damage.octets(sound_log, [sound]))


def _edit(rng: random.Random, connection: sqlite3.Connection) -> None:
    """A value of another kind in some row, where the table lets it in: another program may have written it."""
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    table = rng.choice(tables)
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    number = rng.choice([n for n in ODD_NUMBERS if isinstance(n, int) and -(2**63) <= n < 2**63])
    value = rng.choice(
        (None, number, rng.choice(ODD_TEXT).replace("\ud800", "").replace("\udc00", ""), b"\xff\x00", 0.5)
    )
    with suppress(sqlite3.IntegrityError):
        connection.execute(f"UPDATE {table} SET {rng.choice(columns)} = ?", (value,))
    connection.execute("COMMIT") if connection.in_transaction else None
