"""Names of variables."""

from __future__ import annotations

from wfdeploy.manifests.expand.paths import is_variable_name


def test_variable_names() -> None:
    assert is_variable_name("app_url")
    assert not any(map(is_variable_name, ("", "a-b", "1a", "a.b", "a b", "ä")))
