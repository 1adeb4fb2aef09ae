"""Names of files that are not UTF-8: POSIX takes any bytes, and JSON, the state and messages take text alone.

Python holds such a byte as half of a surrogate pair (PEP 383), which no encoding can write.
"""

from __future__ import annotations


def is_text(name: str) -> bool:
    """Whether a name is UTF-8: no half of a surrogate pair in it."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def escaped(name: str) -> str:
    r"""The name as it may be shown and recorded: a byte that is not UTF-8 reads `\xff`."""
    if is_text(name):
        return name
    try:
        raw = name.encode(errors="surrogateescape")
    except UnicodeEncodeError:  # half of a pair that stands for no byte, and so is of no file's name
        raw = name.encode(errors="backslashreplace")
    return raw.decode(errors="backslashreplace")
