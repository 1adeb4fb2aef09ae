"""libyaml's errors, explained for people."""

from __future__ import annotations

import re

from yaml.error import MarkedYAMLError, YAMLError

from wfdeploy.documents.text import UNPRINTABLE, inside, lines_of
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.model.document import SourceFile

# A piece of libyaml's message (0.2.5, src/scanner.c and src/parser.c), ours, and what to do. The first match counts.
_MESSAGES: tuple[tuple[str, str, str | None], ...] = (
    (
        "mapping values are not allowed",
        "a colon stands where no key can be",
        "quote text that holds ': '; check the indentation",
    ),
    (
        "could not find expected ':'",
        "this line is neither a list item nor 'key: value'",
        "check the indentation, and that a colon and a space follow the key",
    ),
    (
        "did not find expected key",
        "this doesn't line up with the mapping around it",
        "check the indentation and the quotes of the line",
    ),
    ("did not find expected '-' indicator", "this doesn't line up with the list around it", "check the indentation"),
    ("did not find expected ',' or '}'", "a mapping in braces isn't closed", "a ',' or a '}' is missing before this"),
    ("did not find expected ',' or ']'", "a list in brackets isn't closed", "a ',' or a ']' is missing before this"),
    ("found unexpected end of stream", "the text ends inside a quoted string", "the closing quote is missing"),
    (
        "found unexpected document indicator",
        "a document marker stands inside a quoted string",
        "the closing quote is missing",
    ),
    (
        "did not find expected <document start>",
        "text stands where a document should begin",
        "separate documents with a line '---'",
    ),
    ("did not find expected node content", "a value is missing", "quote it if it begins with a special character"),
    (
        "block sequence entries are not allowed",
        "a list item can't stand here",
        "begin the list on its own line below the key",
    ),
    ("block mapping entries are not allowed", "a key can't stand here", "begin the mapping on its own line"),
    ("mapping keys are not allowed", "a key can't stand here", "check the indentation"),
    ("found character that cannot start any token", "this character can't begin a value", "quote the text"),
    (
        "found unknown escape character",
        "this escape isn't known in double quotes",
        "write '\\\\' for a backslash, or use single quotes",
    ),
    (
        "invalid Unicode character escape code",
        "this escape is not a character",
        "write characters outside the basic plane as \\UXXXXXXXX",
    ),
    ("did not find expected hexdecimal number", "this escape is not complete", None),
    ("found a tab character", "a tab stands where only spaces can", "indent with spaces"),
    ("found incompatible YAML document", "this document asks for another version of YAML", "remove the %YAML line"),
    ("undefined tag handle", "the tag is not known", "leave the tag out"),
    ("duplicate %", "a directive is given twice", None),
    ("found unknown directive", "this directive is not known", "remove the line"),
    (
        "did not find expected alphabetic or numeric character",
        "the name of an anchor or alias is missing",
        "quote text that begins with '*' or '&'",
    ),
    (
        "did not find expected comment or line break",
        "unexpected text after the '|' or '>'",
        "begin the text on the next line",
    ),
)


_SHOWN_WHERE_BEGUN = ("found unexpected end of stream", "found unexpected document indicator")


def explain_yaml_error(error: YAMLError, source: SourceFile) -> Diagnostic:
    """A syntax error as a diagnostic with its place."""
    bad = UNPRINTABLE.search(source.text)
    problem = getattr(error, "problem", None) or str(error)
    context_mark = getattr(error, "context_mark", None)
    mark = getattr(error, "problem_mark", None) or context_mark
    if context_mark is not None and any(piece in problem for piece in _SHOWN_WHERE_BEGUN):
        mark = context_mark  # the text's end is of no help; where the quote was opened is
    if mark is None:  # the reader's errors have no mark
        return _unprintable(bad.start() if bad else 0, source)
    lines = lines_of(source.text)
    line, column = inside((mark.line + 1, mark.column + 1), lines)
    excerpt = lines[line - 1]
    unquoted = _unquoted_expression(excerpt, column, problem)
    if unquoted is not None:
        what, to_do, column = unquoted
        place = Place(source.display, line, column)
        return Diagnostic(code="yaml-syntax", message=what, place=place, hint=to_do, excerpt=excerpt)
    message, hint = _message_of(problem)
    if "did not find expected node content" in problem and not source.text[mark.index :].strip():
        message, hint = "the text ends inside brackets or braces", "a ']' or a '}' is missing"
    written = lines[mark.line] if mark.line < len(lines) else ""
    indentation = written[: len(written) - len(written.lstrip())]
    if "\t" in indentation and written.strip()[:1] in ("", "#"):
        what = "before this comment" if written.strip() else "alone on this line"
        message, hint, line, excerpt = f"a tab stands {what}", "remove it, or use spaces", mark.line + 1, written
        column = indentation.index("\t") + 1
    elif "\t" in excerpt[: len(excerpt) - len(excerpt.lstrip())][: column + 1]:
        message, hint = "a tab is used for indentation", "indent with spaces"
        column = excerpt.index("\t") + 1
    if isinstance(error, MarkedYAMLError) and context_mark is not None and context_mark.line + 1 < line:
        message += f" (it began on line {context_mark.line + 1})"
    return Diagnostic(
        code="yaml-syntax",
        message=message,
        place=Place(source.display, line, column),
        hint=hint,
        excerpt=excerpt or None,
    )


_EXPRESSION = re.compile(r"""\$\{\{(?:[^"'}]|"[^"]*"|'[^']*'|\}(?!\}))*\}\}""")
_BEFORE = re.compile(r"[^\[\]{},\"']*\Z")
_BEHIND = re.compile(r"(?:(?!:\s)[^\[\]{},#])*")


def _unquoted_expression(line: str, column: int, problem: str) -> tuple[str, str, int] | None:
    """Message, hint and column of an expression without quotes in which, or at which, the parser stopped."""
    begin = line.rfind("${{", 0, column + 2)
    if begin < 0 or "}}" in line[begin : column - 1]:
        return None
    if begin == column - 1:
        if line[:begin].rstrip()[-1:] not in ('"', "'"):
            return None
        return "the quotes end before this expression", "put them around the whole value", begin + 1
    if "did not find expected ',' or" in problem:
        why = "'{' has its own meaning within braces and brackets"
    elif "mapping values are not allowed" in problem:
        why = "': ' follows a key"
    else:
        return None
    return f"this expression needs quotes: {why}", _quotes_around(line, begin), begin + 1


def _quotes_around(line: str, begin: int) -> str:
    """How the value is written that holds the expression which begins there."""
    expression, before = _EXPRESSION.match(line, begin), _BEFORE.search(line, 0, begin)
    if expression is None or before is None:
        return "put quotes around the whole value"
    behind = _BEHIND.match(line, expression.end())
    text = before[0].rpartition(": ")[2] + expression[0] + ("" if behind is None else behind[0])
    text = text.strip().removeprefix("- ")
    if '"' not in text:
        return f'write "{text}"'
    doubled = text.replace("'", "''")
    return f"write '{doubled}'"


def _message_of(problem: str) -> tuple[str, str | None]:
    for piece, message, hint in _MESSAGES:
        if piece in problem:
            return message, hint
    return f"not valid YAML: {problem}", None


def _unprintable(offset: int, source: SourceFile) -> Diagnostic:
    before = source.text[:offset]
    line = before.count("\n") + 1
    column = offset - (before.rfind("\n") + 1) + 1
    char = source.text[offset : offset + 1]
    return Diagnostic(
        code="control-character",
        message=f"the character U+{ord(char):04X} may not stand in YAML" if char else "this can't be read as YAML",
        place=Place(source.display, line, column),
        hint=f'write it as an escape in double quotes: "\\u{ord(char):04x}"' if char else None,
        excerpt=lines_of(source.text)[line - 1],
    )
