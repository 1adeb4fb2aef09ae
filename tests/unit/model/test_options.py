"""What may be asked for has bounds."""

from __future__ import annotations

from typing import Any

import pytest

import wfdeploy
from wfdeploy import ApplyOptions


@pytest.mark.parametrize(
    "options", [{"concurrency": 0}, {"concurrency": 257}, {"max_rate": 0}, {"timeout_s": float("nan")}]
)
def test_options_have_bounds(options: dict[str, Any]) -> None:
    with pytest.raises(wfdeploy.UsageError):
        ApplyOptions(**options)
