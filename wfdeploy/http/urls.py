"""Which texts are URLs that something confidential may be sent to."""

from __future__ import annotations

import re

from wfdeploy.model.project import is_this_machine

_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?][!-\[\]-~]*)?")
"""No user, no backslash, no control character: there is one way to read it."""


def problem_of(url: str) -> str | None:
    """Why nothing confidential may be sent to a URL, in words that don't hold it; None for nothing."""
    match = _URL.fullmatch(url)
    if match is None:
        return "it is not a plain URL: https://HOST/PATH, without a user"
    if match[1] == "http" and not is_this_machine(match[2].strip("[]")):
        return "it begins with http://, which is for this machine alone"
    return None
