"""Times of schedules: what is due, what is skipped, and both changes of the clocks."""

from __future__ import annotations

from datetime import datetime
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import given

from wfdeploy.model.blocking import CatchUp, Schedule, instant, unix_of
from wfdeploy.planning.blocking import due as dues
from wfdeploy.planning.blocking.due import due, following, occurrences

CRONS = ("* * * * *", "*/7 * * * *", "0 3 * * *", "30 2 * * *", "15 1,2 * * *", "0 9 * * MON-FRI", "0 0 29 2 *")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")
SPRING_S, AUTUMN_S = unix_of("2026-03-29T00:00:00Z"), unix_of("2026-10-25T00:00:00Z")
"""The nights in which Berlin puts its clocks forward (at 01:00 UTC) and back."""


def between(cron: str, timezone: str, begin: str, end: str) -> list[str]:
    schedule = Schedule(cron=cron, timezone=timezone)
    return [instant(time) for time in occurrences(schedule, unix_of(begin) - 1, unix_of(end))]


def test_a_time_that_spring_leaves_out_comes_right_after_the_gap() -> None:
    times = between("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-30T23:00:00Z")
    assert times == ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]


def test_a_time_that_comes_twice_in_autumn_counts_once() -> None:
    times = between("30 2 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", "2026-10-26T23:00:00Z")
    assert times == ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]


@pytest.mark.parametrize(("begin", "hours"), [(SPRING_S, 23), (AUTUMN_S, 25)])
def test_hourly_instances_go_by_the_time_that_passes(begin: int, hours: int) -> None:
    schedule = Schedule(cron="0 * * * *", timezone="Europe/Berlin")
    day = [datetime.fromtimestamp(begin, ZoneInfo("Europe/Berlin")).replace(hour=0)]
    day.append(day[0].replace(day=day[0].day + 1))
    first, last = (round(moment.timestamp()) for moment in day)
    times = list(occurrences(schedule, first - 1, last - 1))
    assert len(times) == hours
    assert {later - earlier for earlier, later in pairwise(times)} == {3600}


def test_a_daily_instance_keeps_its_local_time_over_the_year() -> None:
    schedule = Schedule(cron="0 3 * * *", timezone="Europe/Berlin")
    times = list(islice(occurrences(schedule, unix_of("2026-01-01T00:00:00Z"), None), 365))
    local = {datetime.fromtimestamp(time, ZoneInfo("Europe/Berlin")).strftime("%H:%M") for time in times}
    assert local == {"03:00"}
    assert len({datetime.fromtimestamp(time, ZoneInfo("Europe/Berlin")).date() for time in times}) == 365


@given(
    cron=st.sampled_from(CRONS),
    timezone=st.sampled_from(ZONES),
    begin=st.sampled_from((SPRING_S, AUTUMN_S, unix_of("2026-11-01T00:00:00Z"), unix_of("2026-04-04T00:00:00Z"))),
    looks=st.lists(st.integers(1, 6 * 3600), min_size=1, max_size=12),
)
def test_whenever_one_looks_every_time_comes_once(cron: str, timezone: str, begin: int, looks: list[int]) -> None:
    schedule = Schedule(cron=cron, timezone=timezone, catch_up=CatchUp.ALL)
    decided = now = begin
    seen: list[int] = []
    for pause in looks:
        now += pause
        found = due(schedule, decided_s=decided, now_s=now)
        seen += found.times
        decided = decided if found.decided_s is None else found.decided_s
        assert not due(schedule, decided_s=decided, now_s=now).times, "two looks in one moment"
    assert seen == list(occurrences(schedule, begin, now))
    assert seen == sorted(set(seen))


@given(
    cron=st.sampled_from(CRONS),
    timezone=st.sampled_from(ZONES),
    begin=st.integers(0, 2**31),
    span=st.integers(1, 10**6),
)
def test_the_latest_is_found_wherever_the_search_begins(cron: str, timezone: str, begin: int, span: int) -> None:
    schedule = Schedule(cron=cron, timezone=timezone)
    found = due(schedule, decided_s=begin, now_s=begin + span)
    times = list(occurrences(schedule, begin, begin + span))
    assert found.times == tuple(times[-1:])
    assert found.skipped is (len(times) > 1)


def at(text: str, hours: int = 0) -> int:
    return unix_of(f"2026-11-{text}:00Z") + 3600 * hours


@pytest.mark.parametrize(
    ("options", "times", "skipped"),
    [
        ({"catch_up": CatchUp.LAST}, ["23T12:00"], True),
        ({"catch_up": CatchUp.ALL}, ["23T10:00", "23T11:00", "23T12:00"], False),
        ({"catch_up": CatchUp.ALL, "deadline_s": 3600}, ["23T12:00"], True),
        ({"catch_up": CatchUp.NONE, "deadline_s": 1800}, ["23T12:00"], True),
        ({"catch_up": CatchUp.NONE, "deadline_s": 600}, [], True),
        ({"catch_up": CatchUp.LAST, "end_s": at("23T11:00")}, ["23T11:00"], True),
        ({"catch_up": CatchUp.ALL, "start_s": at("23T12:00")}, ["23T12:00"], False),
        ({"catch_up": CatchUp.ALL, "end_s": at("23T09:00")}, [], False),
    ],
)
def test_catching_up(options: dict[str, object], times: list[str], skipped: bool) -> None:
    schedule = Schedule(cron="0 * * * *", **options)  # type: ignore[arg-type]
    found = due(schedule, decided_s=at("23T09:00"), now_s=at("23T12:20"))
    assert found.times == tuple(map(at, times))
    assert found.skipped is skipped
    if times or skipped:
        assert found.decided_s == (at("23T11:00") if schedule.end_s else at("23T12:00"))
    else:
        assert found.decided_s is None


def test_many_are_made_up_for_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dues, "MOST", 2)
    schedule = Schedule(cron="0 * * * *", catch_up=CatchUp.ALL)
    first = due(schedule, decided_s=at("23T09:00"), now_s=at("23T12:20"))
    assert (first.times, first.more) == ((at("23T10:00"), at("23T11:00")), True)
    assert first.decided_s is not None
    second = due(schedule, decided_s=first.decided_s, now_s=at("23T12:20"))
    assert (second.times, second.more) == ((at("23T12:00"),), False)


def test_what_follows() -> None:
    schedule = Schedule(cron="0 3 * * *", end_s=at("24T03:00"))
    assert following(schedule, at("23T03:00")) == at("24T03:00")
    assert following(schedule, at("24T03:00")) is None


def test_what_is_no_schedule_is_said() -> None:
    for schedule in (Schedule(cron="61 * * * *"), Schedule(cron="* * * * *", timezone="Europe/Berlinn")):
        with pytest.raises(ValueError, match="not a schedule"):
            list(occurrences(schedule, 0, 100))
