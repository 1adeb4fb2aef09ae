from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.documents.durations import seconds, unix_seconds


@pytest.mark.parametrize(
    ("value", "expected"),
    [("30s", 30), ("10m", 600), ("1d10h30m", 124200), ("0s", 0), (90, 90), (1.2, 2), ("007s", 7)],
)
def test_seconds(value: object, expected: int) -> None:
    assert seconds(value) == expected


@pytest.mark.parametrize("value", ["", "30", "1h1d", "s", "1.5h", "-1s", "30 s", "1w", None, True, "٣s"])
def test_not_a_duration(value: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-12-01T06:00:00Z", 1796104800),
        ("2026-12-01t06:00:00z", 1796104800),
        ("2026-12-01 06:00:00+01:00", 1796101200),
        ("2026-12-01T06:00:00.000000001Z", 1796104800),
        ("2026-12-01T06:00:00.2Z", 1796104801),
        (1796104800, 1796104800),
    ],
)
def test_unix_seconds(value: object, expected: int) -> None:
    assert unix_seconds(value) == expected


@pytest.mark.parametrize(
    "value", ["2026-02-30T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00", "soon", "1969-12-31T23:59:59Z"]
)
def test_not_a_time(value: object) -> None:
    with pytest.raises(ValueError, match="time"):
        unix_seconds(value)


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))
def test_time_is_never_too_early(when: datetime) -> None:
    assert 0 <= unix_seconds(when.isoformat()) - when.timestamp() < 1
