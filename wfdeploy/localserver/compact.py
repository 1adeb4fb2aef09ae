"""JSON text exactly as JavaScript's `JSON.stringify` writes it.

The JavaScript adapters parse a delivery and write it again before they check the signature over the body, so a space
after a comma or an escaped character makes a correct signature fail (observed with the Express adapter).
"""

from __future__ import annotations

import json

from wfdeploy.files.access import is_text

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def dumps(value: object) -> str:
    """`value` without spaces and with non-ASCII characters as they are."""
    return _ENCODER.encode(value)


def is_sendable(value: object) -> bool:
    """False for a value with half a surrogate pair in it, which JSON may spell and no encoding can carry."""
    return is_text(dumps(value))
