"""Rules for single values: URLs, header names and values, retry delays, numbers, workflow run ids."""

from __future__ import annotations

import ast
import ipaddress
import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from wfdeploy.documents.messages import did_you_mean
from wfdeploy.documents.scalars import microseconds, nearest_seconds
from wfdeploy.model.canonical import MAX_INTEGER
from wfdeploy.model.document import FieldPath
from wfdeploy.model.project import is_this_machine
from wfdeploy.model.request import FlowControl, SecretText, Text
from wfdeploy.model.workflow_id import id_key, parse_run_id


class Problem(NamedTuple):
    """A value that won't do: why, and what to do. The caller knows where it stands."""

    code: str
    message: str
    hint: str | None = None


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_A_VALUE = re.compile(r"[^\t\x20-\x7e]")

# What belongs to a single connection or message, and would break the next one when it is forwarded (RFC 9110, 7.6.1).
_OF_THE_MESSAGE = frozenset(
    ("connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)
_RESERVED_PREFIX = "upstash-"


def header_name_problem(name: str) -> Problem | None:
    """Why a header can't be forwarded under this name; None when it can."""
    if _TOKEN.fullmatch(name) is None:
        return Problem("bad-header-name", f"{name!r} is not a header name", "letters, digits and hyphens, no spaces")
    lower = name.lower()
    if lower == "content-type":
        return Problem("reserved-header", f"the header {name} is set by contentType", "use the field contentType")
    if lower.startswith(_RESERVED_PREFIX):
        hint = "retries, delay, labels and the like are fields of the run"
        return Problem("reserved-header", f"the header {name} is reserved for the service", hint)
    if lower in _OF_THE_MESSAGE:
        return Problem("reserved-header", f"the header {name} is set by HTTP itself", "remove it")
    return None


def header_value_problem(name: str, value: Text) -> Problem | None:
    """Why a header can't have this value; None when it can. Nothing is known here of a secret's value."""
    parts = value.parts if isinstance(value, SecretText) else (value,)
    for part in parts:
        bad = _NOT_IN_A_VALUE.search(part) if isinstance(part, str) else None
        if bad is not None:
            what = "a line break" if bad[0] in "\r\n" else f"the character U+{ord(bad[0]):04X}"
            hint = "end a block scalar with '|-' or '>-'" if bad[0] in "\r\n" else "encode what is not plain ASCII"
            return Problem("bad-header-value", f"the header {name} holds {what}", hint)
    first, last = parts[0] if parts else "", parts[-1] if parts else ""
    if (isinstance(first, str) and first[:1] in (" ", "\t")) or (isinstance(last, str) and last[-1:] in (" ", "\t")):
        message = f"the header {name} begins or ends with white space, which HTTP drops"
        return Problem("bad-header-value", message, "remove it")
    return None


def header_problems(given: Mapping[str, object], effective: Mapping[str, Text]) -> Iterator[tuple[str, Problem]]:
    """Yield what is wrong with the headers that an author gave, by their names. `effective`: with their values."""
    seen: dict[str, str] = {}
    for name, value in given.items():
        problem = header_name_problem(name)
        if problem is None and value is not None and name in effective:
            problem = header_value_problem(name, effective[name])
        if problem is None and name.lower() in seen:
            message = f"{seen[name.lower()]} and {name} are the same header"
            problem = Problem("duplicate-header", message, "header names have no case; keep one of them")
        seen[name.lower()] = name
        if problem is not None:
            yield name, problem


def is_header_name(name: str) -> bool:
    """Whether a text could be a header's name."""
    return _TOKEN.fullmatch(name) is not None


FUNCTIONS = {"pow": 2, "exp": 1, "sqrt": 1, "abs": 1, "floor": 1, "ceil": 1, "round": 1, "min": 2, "max": 2}
"""Names and how many arguments they take."""

MAX_LENGTH = 500
MAX_DEPTH = 50
_TERM = re.compile(r"\s*(?:([0-9]+(?:\.[0-9]+)?)(?![0-9A-Za-z_.])|([A-Za-z_][A-Za-z0-9_]*)|([-+*/(),]))")
_DELAY_EXAMPLE = "for example 'pow(2, retried) * 1000'"


def retry_delay_problem(text: str) -> Problem | None:
    """Why a text is no retry delay; None when it is one."""
    if len(text) > MAX_LENGTH:
        return _problem(f"is longer than {MAX_LENGTH} characters")
    # Python's own grammar would let more through (`1_000`, `0x10`, `2 ** 9`), so tokens are looked at first.
    position, previous = 0, ""
    while position < len(text.rstrip()):
        match = _TERM.match(text, position)
        if match is None:
            return _problem(f"can't be read from {text[position:].strip()[:20]!r} on", _DELAY_EXAMPLE)
        if match[3] in ("*", "/") and previous == match[3]:
            return _problem(f"holds {match[3] * 2}", "write pow(x, y)" if match[3] == "*" else "write floor(x / y)")
        position, previous = match.end(), match[3] or ""
    try:
        tree = ast.parse(" ".join(text.split()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _problem("is not a complete expression", _DELAY_EXAMPLE)
    return _node_problem(tree)


def _node_problem(node: ast.expr, depth: int = 0) -> Problem | None:
    if depth > MAX_DEPTH:
        return _problem("is nested too deeply")
    match node:
        case ast.Constant(value=value) if type(value) in (int, float):
            return None
        case ast.Name(id="retried"):
            return None
        case ast.Name(id=name):
            hint = did_you_mean(name, ("retried", *FUNCTIONS)) or "the only variable is retried"
            return _problem(f"uses {name!r}, which is not known", hint)
        case ast.BinOp(left=left, right=right):
            return _node_problem(left, depth + 1) or _node_problem(right, depth + 1)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return _node_problem(operand, depth + 1)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            if name not in FUNCTIONS:
                hint = did_you_mean(name, FUNCTIONS) or f"available: {', '.join(FUNCTIONS)}"
                return _problem(f"uses {name}(), which is not known", hint)
            if len(args) != FUNCTIONS[name]:
                count = FUNCTIONS[name]
                return _problem(f"gives {name}() {len(args)} arguments; it takes {count}", _DELAY_EXAMPLE)
            return next(filter(None, (_node_problem(arg, depth + 1) for arg in args)), None)
        case _:
            return _problem("is not plain arithmetic", _DELAY_EXAMPLE)


def _problem(message: str, hint: str | None = None) -> Problem:
    return Problem("bad-retry-delay", f"retryDelay {message}", hint)


def retry_delay(value: object) -> str:
    """A retry delay as it is sent. A duration becomes the number of its milliseconds."""
    text = str(value).strip()
    try:
        whole, part = divmod(microseconds(text), 1000)
    except ValueError:
        return text
    return f"{whole}.{part:03}".rstrip("0") if part else str(whole)


def fraction_problem(what: str, value: object, *, where: str) -> Problem | None:
    """Why a duration can't have a fraction of a second; None when it has none.

    where: says what counts in whole seconds.
    """
    nearest = nearest_seconds(value)
    if not nearest:
        return None
    return Problem(
        "fraction-of-a-second", f"{what} is {value}, but {where} whole seconds", f"write {' or '.join(nearest)}"
    )


_HINT = "write it as text, in quotes, or give the whole body as bodyText"


def number_problems(value: object, path: FieldPath = ()) -> Iterator[tuple[FieldPath, Problem]]:
    """Yield every number in a value that JSON can't carry, with its path.

    Source: RFC 8259, section 6 (integers), RFC 8785, section 3.2.2.3 (NaN and infinities).
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from number_problems(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from number_problems(item, (*path, index))
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, Problem("not-a-json-number", f"JSON has no number {value}", _HINT)
    elif isinstance(value, int) and not isinstance(value, bool) and not -MAX_INTEGER <= value <= MAX_INTEGER:
        shown = str(value) if value.bit_length() < 200 else "this integer"
        yield path, Problem("not-a-json-number", f"{shown} is beyond 2^53 - 1 and would change on its way", _HINT)


# --- labels and keys ------------------------------------------------------------------------------------------

_LABEL = re.compile(r"[A-Za-z0-9_.-]+")
_RESERVED_LABEL = "wfdeploy."
_MAX_PERIOD_S = 7 * 86400


def flow_control_problems(flow: FlowControl) -> Iterator[tuple[FieldPath, Problem]]:
    """Yield what is wrong with a flow control, each problem with its path in it."""
    if (problem := label_problem("flowControl.key", flow.key)) is not None:
        yield ("key",), problem
    if flow.parallelism is None and flow.rate is None:
        yield (), Problem("no-limit", "flowControl limits nothing", "give parallelism or rate")
    if flow.period_s is not None and flow.rate is None:
        yield ("period",), Problem("period-without-rate", "flowControl.period needs rate", "give a rate")
    if flow.period_s is not None and not 1 <= flow.period_s <= _MAX_PERIOD_S:
        message = "flowControl.period must be between one second and 7 days"
        yield ("period",), Problem("bad-period", message)


def label_problem(what: str, text: Text) -> Problem | None:
    """Why a text can't be a label, or a key that is shown like one; None when it can."""
    if isinstance(text, SecretText):
        hint = "labels and keys are shown by the server; use ${{ vars.NAME }}"
        return Problem("secret-not-allowed", f"{what} can't hold a secret", hint)
    if _LABEL.fullmatch(text) is None:
        return Problem("bad-label", f"{what} can't be {text!r}", "letters, digits, '.', '_' and '-' are possible")
    if text.startswith(_RESERVED_LABEL):
        return Problem("reserved-label", f"{what} can't begin with {_RESERVED_LABEL!r}", "wfdeploy marks its runs so")
    if parse_run_id(text) is not None:
        return Problem("reserved-label", f"{what} can't have the form of a derived id", "wfdeploy marks its runs so")
    return None


class OwnIds:
    """The workflow run ids that authors gave so far, each with the address that has it."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    def problems(self, text: str, address: str) -> Iterator[Problem]:
        """What is wrong with the id of a run."""
        owner = self._owners.setdefault(id_key(text), address)
        if owner != address:
            message = f"the workflow run id {text} is that of {owner if owner.isprintable() else repr(owner)} already"
            yield Problem("duplicate-run-id", message, "ids are unique")
        if parse_run_id(text) is not None:
            message = f"the workflow run id {text} has the form of those that wfdeploy derives"
            yield Problem("derived-run-id", message, "leave workflowRunId out, or choose an id of another form")


# --- URLs ----------------------------------------------------------------------------------------------------

_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")
_NOT_IN_A_URL = re.compile(r"[^!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]")
"""RFC 3986: what is neither reserved nor unreserved has to be percent-encoded."""
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")

_URL_EXAMPLE = "for example https://app.example.com/api/workflow"
_STAND_IN = "x"  # for a secret: its value is not known here


def url_problem(what: str, url: Text, *, insecure: bool) -> Problem | None:
    """Why a URL can't be a destination; None when it can. `insecure` allows plain http to other machines.

    Secrets may stand in path and query only: where a run goes to has to be known before it is sent.
    """
    text, secret_at = _plain(url)
    if not text:
        return Problem("bad-url", f"{what} is empty", _URL_EXAMPLE)
    bad = _NOT_IN_A_URL.search(text)
    if bad is not None:
        char = "a space" if bad[0] == " " else f"{bad[0]!r}"
        hint = "write variables as ${{ vars.NAME }}" if bad[0] in "{}" else "percent-encode what is not plain ASCII"
        return Problem("bad-url", f"{what} holds {char}: {text!r}", hint)
    match = _AUTHORITY.match(text)
    if match is None:
        return Problem("bad-url", f"{what} is not an absolute URL: {text!r}", _URL_EXAMPLE)
    if secret_at is not None and secret_at <= match.end():
        hint = "use ${{ vars.NAME }} for the host; secrets may stand in path and query"
        return Problem("secret-in-host", f"{what} holds a secret in its host", hint)
    scheme = text.partition(":")[0].lower()
    if scheme not in ("http", "https"):
        return Problem("bad-url", f"{what} begins with {scheme}:, only http and https are possible", _URL_EXAMPLE)
    if "@" in match[1]:
        hint = "send an Authorization header with a secret instead"
        return Problem("credentials-in-url", f"{what} holds a user name or password", hint)
    if "#" in text:
        return Problem("bad-url", f"{what} has a fragment ('#...'), which is never sent", "remove it")
    if _is_usual(match[0], insecure=insecure):
        return None
    return _host_problem(what, text, scheme, insecure=insecure)


@lru_cache(maxsize=1000)
def _is_usual(origin: str, *, insecure: bool) -> bool:
    """Whether nothing is wrong with a URL's beginning, which is all that a host's problems depend on."""
    return _host_problem("", origin, origin.partition(":")[0].lower(), insecure=insecure) is None


def _host_problem(what: str, text: str, scheme: str, *, insecure: bool) -> Problem | None:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        return Problem("bad-url", f"{what} is not a valid URL: {error}", _URL_EXAMPLE)
    if not host:
        return Problem("bad-url", f"{what} names no host: {text!r}", _URL_EXAMPLE)
    if port == 0 or not (_is_address(host) or (_HOST_NAME.fullmatch(host) and len(host) <= 253)):
        return Problem("bad-url", f"{what} names no valid host: {parts.netloc!r}", _URL_EXAMPLE)
    if scheme == "http" and not insecure and not is_this_machine(host):
        hint = "use https, or set server.insecureDestinations: true in wfdeploy.yaml"
        return Problem("insecure-destination", f"{what} sends its payload unencrypted to {host}", hint)
    return None


_EMPTY_PART = re.compile(r"(?<!:)//")
_ALSO_HERE = ("host.docker.internal", "0.0.0.0")  # noqa: S104 - a name of this machine in URLs


def url_warnings(what: str, url: Text, *, loopback: bool) -> tuple[Problem, ...]:
    """What is probably not meant with a URL that can be a destination. `loopback`: it may be this machine."""
    text = url if isinstance(url, str) else _plain(url)[0]
    match = None if loopback and text.count("//") == 1 else _AUTHORITY.match(text)  # nearly all have one
    if match is None:
        return ()
    found = []
    if _EMPTY_PART.search(text[match.end() :].partition("?")[0]) is not None:
        hint = "a variable that ends in '/' was joined with a path that begins with one: remove one of the two"
        found.append(Problem("double-slash", f"{what} has '//' in its path: {url}", hint))
    if not loopback and _is_here(match[0]):
        hint = "the server calls its own machine there; the environment 'local' is for endpoints on this one"
        found.append(Problem("loopback-destination", f"{what} names this machine: {url}", hint))
    return tuple(found)


@lru_cache(maxsize=1000)
def _is_here(origin: str) -> bool:
    name = urlsplit(origin).hostname or ""
    return is_this_machine(name) or name in _ALSO_HERE


@lru_cache(maxsize=1000)
def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _plain(url: Text) -> tuple[str, int | None]:
    """The URL with something harmless for its secrets, and where the first of them stands."""
    if not isinstance(url, SecretText):
        return url, None
    text, first = "", None
    for part in url.parts:
        if isinstance(part, str):
            text += part
        else:
            first = len(text) if first is None else first
            text += _STAND_IN
    return text, first
