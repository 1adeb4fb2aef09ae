"""JSON as the JavaScript adapters write it."""

from __future__ import annotations

from wfdeploy.localserver import compact


def test_json_is_written_as_javascript_does() -> None:
    assert compact.dumps({"a": [1, "ü"], "b": None}) == '{"a":[1,"ü"],"b":null}'
