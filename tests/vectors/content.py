"""What stands in a run: bodies, delivery, expressions. Each value is made twice over: what kind of it a group has, then
what it is in each run, so that many runs have one shape and differ in a little."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.vectors.writing import Raw

Make = Callable[[Random, int], Any]
"""A value of the run with this number."""

WORDS = (
    "acme", "globex", "initech", "umbrella", "hooli", "stark", "wayne", "tyrell", "wonka", "soylent", "größe", "東京",
    "naïve", "emoji 🎉", "a: b", "c #d", "it's", 'say "hi"', "yes", "no", "on", "~", "null", "true", "12", "1.0",
    "0x1F", "1e3", "12:30", "2026-11-30", "=", "<<", "", " padded ", "tab\there", "-dash", "?", "%percent", "@at",
    "`tick`", "[bracket", "{brace", "&anchor", "*alias", "!tag", "|", ">", "back\\slash", "line\nbreak",
    "two\n\nparagraphs\n", "nbsp\u00a0here", "zero\u200bwidth",
    "$${{ literal }}", "{{ braces }}", "https://example.com/?a=1&b=2#c", "O'Neill",
)  # fmt: skip
SPELLED = (
    "1", "0", "-1", "+5", "007", "0o17", "0x1F", "1e3", "1E-7", "-0.0", "1.50", "12.", ".5", "1_000",
    "9007199254740991", "-9007199254740991", "123456789.125", "1e21", "3.0", "2026-12-01",
    "2026-12-01T06:00:00Z", "12:30", "1.2.3", "~", "null", "Null", "true", "True", "FALSE", "yes", "no", "on", "off",
    "y", "!!str 12", "!!int 12", "!!float 3", "0.1",
    "100000000000000000000.0", "5e-324", "1.7976931348623157e308", "!!str", "! plain", "plain words here", "",
)  # fmt: skip
REGIONS = ("eu", "us", "ap", "sa", "af", "me")


@dataclass(frozen=True)
class Scope:
    """What expressions may use. `rows`: fields of a row and how its values are typed; `axes` of a matrix."""

    rows: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()
    scheduled: bool = False
    payloads: Sequence[str] = field(default_factory=tuple)

    def texts(self) -> list[str]:
        """References to what can stand in text, without the brackets."""
        names = ["vars.region", "vars.seats", "vars.ratio", "vars.limits.seats", "vars.regions[0]", "vars.label"]
        names += [f"row.{name}" for name in self.rows] * 2 + [f"matrix.{name}" for name in self.axes] * 2
        if self.scheduled:
            names += ["schedule.time", "schedule.date", "schedule.localTime"]
        return names


def expression(rng: Random, scope: Scope) -> str:
    """Gives something that can stand in a URL's path, a header, or a label's text when it is a plain word."""
    name = rng.choice(scope.texts())
    return (
        rng.choice(
            (
                "${{ %s }}",
                "${{ %s }}",
                "${{%s}}",
                "${{ %s | string | lower | urlencode }}",
                "${{ %s | string | replace('a', 'b') | urlencode }}",
                "${{ 'x' if %s == vars.region else 'y' }}",
                "${{ %s | default('none') }}",
                "${{ (%s | sha256)[:8] }}",
            )
        )
        % name
    )


def in_body(rng: Random, scope: Scope) -> str:
    """An expression that may give anything."""
    whole = (
        "${{ vars.limits }}",
        "${{ vars.regions }}",
        "${{ vars.nothing }}",
        "${{ vars.seats * 2 + 1 }}",
        "${{ vars.ratio / 3 }}",
        "${{ vars.seats // 2 }}",
        "${{ vars.regions | length }}",
        "${{ vars.regions | join('+') }}",
        "${{ vars.limits | tojson }}",
        "${{ vars.region | upper ~ '-' ~ vars.seats }}",
        "${{ vars.seats > 2 and not vars.flag }}",
        "${{ [vars.region, vars.seats, none, true] }}",
        "${{ {'a': vars.seats, 'b': [1.5, 1.0]} }}",
        "${{ secrets.APP_TOKEN }}",
        "Bearer ${{ secrets.APP_TOKEN }} of ${{ vars.region }}",
        "$${{ literal }} ${{ vars.seats }}",
        "${{ row }}" if scope.rows else "${{ vars.flag }}",
        "${{ matrix }}" if scope.axes else "${{ vars.regions | first }}",
    )
    if rng.random() < 0.5:
        return rng.choice(whole)
    return rng.choice(("", "n ", "größe ")) + expression(rng, scope) + rng.choice(("", "!", " ${{ vars.seats }}"))


# --- bodies ------------------------------------------------------------------------------------------------------


def scalar(rng: Random, scope: Scope) -> Make:
    """One kind of scalar."""
    pool = [rng.choice(WORDS) for _ in range(6)]
    spelled = [Raw(rng.choice(SPELLED)) for _ in range(rng.randint(1, 6))]
    fixed = rng.choice(WORDS)
    one = in_body(rng, scope)
    long = rng.choice(WORDS[:10]) * rng.choice((30, 200))
    kinds: list[Make] = [
        lambda r, n: n,
        lambda r, n: r.randint(0, 10**6),
        lambda r, n: Raw(f"{r.randint(0, 99999)}.{r.randint(0, 99):02}"),
        lambda r, n: r.random() < 0.5,
        lambda r, n: f"user-{n}",
        lambda r, n: f"u{n}@example.com",
        lambda r, n: r.choice(pool),
        lambda r, n: r.choice(WORDS),
        lambda r, n: r.choice(spelled),
        lambda r, n: Raw(r.choice(SPELLED)),
        lambda r, n: fixed,
        lambda r, n: one,
        lambda r, n: in_body(r, scope) if r.random() < 0.3 else f"plain {n}",
        lambda r, n: None,
        lambda r, n: Raw(f"2026-{1 + n % 12:02}-{1 + n % 28:02}"),
        lambda r, n: f"{long}{n}",
        lambda r, n: f"first {n}\n  second\n\nlast\n",
    ]
    return rng.choice(kinds)


def value(rng: Random, scope: Scope, depth: int = 0) -> Make:
    """One kind of value of a body."""
    draw = rng.random()
    if depth > 2 or draw < 0.55:
        return scalar(rng, scope)
    if draw < 0.75:
        items = [value(rng, scope, depth + 1) for _ in range(rng.randint(0, 4))]
        return lambda r, n: [make(r, n) for make in items]
    if draw < 0.8:
        item = value(rng, scope, depth + 1)
        return lambda r, n: [item(r, k) for k in range(r.randint(0, 4))]
    return mapping(rng, scope, depth + 1)


def mapping(rng: Random, scope: Scope, depth: int = 0) -> Make:
    """Mappings of one shape; at times a key is there in some runs only, or the order differs."""
    keys = rng.sample(KEYS, rng.randint(0 if depth else 1, 6))
    makes = {key: value(rng, scope, depth + 1) for key in keys}
    present = rng.choice((1.0, 1.0, 1.0, 0.6))
    shuffled = rng.random() < 0.1

    def make(r: Random, n: int) -> Any:
        made = {key: one(r, n) for key, one in makes.items() if present == 1.0 or r.random() < present}
        if shuffled:
            items = list(made.items())
            r.shuffle(items)
            made = dict(items)
        return made

    return make


KEYS = (
    "id", "tenant", "amount", "label", "when", "email", "tags", "nested", "größe", "with space", "1", "true", "null",
    "a.b", "x-y", "Z", "z", "", "https://k", "quoted'key", "k" * 140, "\u20ac", "\U0001f600", "\ufb33", "list", "of",
    "note", "count", "currency", "lines", "address", "plan", "seats",
)  # fmt: skip


def body(rng: Random, scope: Scope) -> tuple[str, Make]:
    """The field that gives it, and its values."""
    draw = rng.random()
    if draw < 0.72:
        return "body", mapping(rng, scope)
    if draw < 0.82:
        return "body", value(rng, scope)
    if draw < 0.93 or not scope.payloads:
        texts = (
            "plain",
            "a\nb\n",
            "<order id='${{ vars.seats }}'/>",
            "${{ vars.region }} ${{ secrets.APP_TOKEN }}",
            "",
        )
        fixed = rng.choice(texts)
        return "bodyText", rng.choice((lambda r, n: fixed, lambda r, n: f"{fixed} {n}", lambda r, n: r.choice(texts)))
    return "bodyFile", lambda r, n: r.choice(list(scope.payloads))


# --- delivery ----------------------------------------------------------------------------------------------------


def _url(rng: Random, scope: Scope) -> str:
    base = rng.choice(
        ("${{ vars.app_url }}", "https://app.example.com", "https://eu.example.com:8443", "http://localhost:3000")
    )
    path = rng.choice(("/wf", "/api/workflow/onboard", "/", "", "/a%20b?x=1&y=2", f"/r/{expression(rng, scope)}"))
    return base + path


def destination(rng: Random, scope: Scope) -> Make:
    pool = [_url(rng, scope) for _ in range(3)]
    fixed = pool[0]
    return rng.choice(
        (
            lambda r, n: fixed,
            lambda r, n: r.choice(pool),
            lambda r, n: f"https://app.example.com/wf/{n}",
            lambda r, n: f"${{{{ vars.app_url }}}}/wf/{n % 5}",
            lambda r, n: None if r.random() < 0.3 else fixed,
        )
    )


def _from(rng: Random, values: Sequence[Any]) -> Make:
    """One of them for all, or one of a few for each."""
    fixed = rng.choice(values)
    return rng.choice((lambda r, n: fixed, lambda r, n: r.choice(values)))


def labels(rng: Random, scope: Scope) -> Make:
    some = ("onboarding", "billing", "a.b", "x_y", "region-${{ vars.region }}", "${{ vars.label }}")
    pool = [f"team-{word}" for word in ("a", "b", "c", "d", "e", "f")]
    fixed = rng.sample(some, 2)
    return rng.choice(
        (
            lambda r, n: fixed,
            lambda r, n: [r.choice(pool)],
            lambda r, n: r.sample(pool, 2),
            lambda r, n: [],
            lambda r, n: [f"n{n % 3}", *fixed[:1]],
            lambda r, n: None if r.random() < 0.4 else fixed,
        )
    )


def headers(rng: Random, scope: Scope) -> Make:
    names = rng.sample(("X-Team", "x-trace", "Authorization", "X-Empty", "Accept-Language", "X-Größe"[:3] + "n"), 2)
    fixed = {
        name: rng.choice(("growth", "Bearer ${{ secrets.APP_TOKEN }}", "${{ vars.region }}", "1")) for name in names
    }
    return rng.choice(
        (
            lambda r, n: fixed,
            lambda r, n: {**fixed, "X-Number": str(n)},
            lambda r, n: {names[0]: None} if r.random() < 0.5 else fixed,
            lambda r, n: {names[0].upper(): f"v{n % 4}"},
            lambda r, n: {names[1]: expression(r, Scope())},
        )
    )


def _flow_control(rng: Random, scope: Scope) -> Make:
    def make(r: Random, n: int) -> Any:
        key = r.choice(("onboard", "k.${{ vars.region }}", f"k{n % 3}"))
        return r.choice(
            (
                {"key": key, "parallelism": 1 + n % 4},
                {"key": key, "rate": 100, "period": r.choice(("1m", 60, "1h30m"))},
                {"key": key, "parallelism": 10, "rate": 5},
            )
        )

    one = make(rng, 0)
    return rng.choice((lambda r, n: one, make))


DELIVERY: dict[str, Callable[[Random, Scope], Make]] = {
    "retries": lambda rng, scope: _from(rng, (0, 1, 3, 5, 1000, Raw("0x0A"), None)),
    "retryDelay": lambda rng, scope: _from(
        rng, ("pow(2, retried) * 1000", 5000, "min(exp(retried), 60) * 1000", "1000", "1 + retried", None)
    ),
    "timeout": lambda rng, scope: _from(rng, ("2m", 30, "1d10h30m15s", "90s", None)),
    "labels": labels,
    "headers": headers,
    "flowControl": _flow_control,
    "failureUrl": lambda rng, scope: _from(
        rng, ("https://ops.example.com/failed", "${{ vars.app_url }}/failed?k=${{ secrets.OTHER_KEY }}", None)
    ),
    "failureHeaders": headers,
    "redact": lambda rng, scope: _from(
        rng, ({"body": True}, {"headers": True}, {"body": True, "headers": ["Authorization"]}, {"body": False}, None)
    ),
    "contentType": lambda rng, scope: _from(
        rng, ("application/json", "application/xml", "text/plain; charset=utf-8", None)
    ),
}


def timing(rng: Random) -> Callable[[Random, int], dict[str, Any]]:
    """`delay` or `notBefore`, never both."""
    delays = ("30s", 90, "1h", "1d10h30m", 0, Raw("60"), None)
    times = ("2026-12-01T06:00:00Z", "2026-12-01T06:00:00.25+01:00", 1796104800, "2026-11-01T00:00:00Z", None)
    name, other, values = rng.choice((("delay", "notBefore", delays), ("notBefore", "delay", times)))
    make = _from(rng, values)
    return lambda r, n: {name: make(r, n), other: None} if rng is r or r.random() < 0.3 else {name: make(r, n)}


def delivery(rng: Random, scope: Scope, share: float) -> dict[str, Make]:
    """Some fields, by name."""
    return {name: kind(rng, scope) for name, kind in DELIVERY.items() if rng.random() < share}
