"""How the page puts values into words: its module, asked in the browser."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import Looker

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000

CASES: list[tuple[str, list[Any], Any]] = [
    ("duration", [0], "0 ms"),
    ("duration", [-5], "0 ms"),
    ("duration", [999], "999 ms"),
    ("duration", [1500], "1.5 s"),
    ("duration", [42 * SECOND], "42 s"),
    ("duration", [3 * MINUTE + 5 * SECOND], "3 m 5 s"),
    ("duration", [2 * HOUR], "2 h"),
    ("duration", [DAY + 23 * HOUR + 59 * MINUTE], "1 d 23 h"),
    ("ago", [0, 1999], "just now"),
    ("ago", [0, 59 * SECOND], "59 s ago"),
    ("ago", [0, 90 * MINUTE], "1 h ago"),
    ("ago", [90 * MINUTE, 0], "in 1 h 30 m"),
    ("count", [1, "run"], "1 run"),
    ("count", [100000, "run"], "100,000 runs"),
    ("count", [0, "delivery", "deliveries"], "0 deliveries"),
    ("pretty", ['{"a":[1]}'], '{\n  "a": [\n    1\n  ]\n}'),
    ("pretty", ['{"a":'], '{"a":'),
    ("pretty", ["12345678901234567890"], "12345678901234567890"),
    ("readable", ['{"error":"E","message":"m","stack":"E: m\\n at x"}'], "E: m\n at x"),
    ("readable", ['{"error":"E","message":"m"}'], "E: m"),
    ("readable", ['{"message":{"a":1}}'], '{\n  "message": {\n    "a": 1\n  }\n}'),
    ("readable", ["plain"], "plain"),
    ("fromBase64", ["w7w="], "ü"),
    ("fromBase64", ["/w=="], None),
    ("fromBase64", ["no base64!"], None),
    ("unmangled", ["Ã¼"], "ü"),
    ("unmangled", ["ü"], "ü"),
    ("unmangled", ["Ã¼ €"], "Ã¼ €"),
]


def test_values_in_words(looker: Looker) -> None:
    looker.open()
    told = looker.page.evaluate(
        """async (cases) => {
          const words = await import("/-/assets/format.js");
          return cases.map(([name, given]) => words[name](...given) ?? null);
        }""",
        [[name, given] for name, given, _ in CASES],
    )
    assert [(name, given, value) for (name, given, _), value in zip(CASES, told, strict=True)] == CASES


@pytest.mark.parametrize("scale", [0.0, 1.0, 60.0])
def test_time_passes_as_fast_as_the_servers(looker: Looker, scale: float) -> None:
    """With `--time-scale`, and for a server whose clock stands still, between two words of the server too."""
    looker.open()
    passed = looker.page.evaluate(
        """async (scale) => {
          const { setServerTime, serverNow } = await import("/-/assets/clock.js?alone");
          const real = Date.now;
          let local = 1_000_000;
          Date.now = () => local;
          const pass = (ms) => { local += ms; return 5_000_000 + (local - 1_000_000) * scale; };
          setServerTime(pass(0));
          setServerTime(pass(2000));
          const before = serverNow();
          pass(3000);
          const after = serverNow();
          Date.now = real;
          return after - before;
        }""",
        scale,
    )
    assert passed == 3000 * scale
