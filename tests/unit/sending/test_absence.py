"""Absence, judged: whatever a server within the assumptions does, the judgement is safe."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from wfdeploy.model.address import Address
from wfdeploy.model.state import Attempt, AttemptStatus
from wfdeploy.sending.absence import Absence, judge

LAG_MS = st.sampled_from([0, 1000, 60_000])
DELAY_S = st.sampled_from([0, 1, 30, 3600])


def attempt(*, since_ms: int | None, delay_s: int | None = None, not_before_s: int | None = None) -> Attempt:
    return Attempt(
        address=Address("g/a"),
        fingerprint="1:a",
        generation=1,
        workflow_run_id="wfr_a",
        status=AttemptStatus.UNKNOWN,
        intent_at_ms=0,
        since_ms=since_ms,
        delay_s=delay_s,
        not_before_s=not_before_s,
    )


@given(
    lag_ms=LAG_MS,
    delay_s=DELAY_S,
    not_before_s=st.integers(0, 5000) | st.just(0),
    sent_ms=st.integers(0, 10_000),
    transit=st.floats(0, 1),
    looked_after_ms=st.integers(0, 8_000_000),
    resent_after=st.floats(0, 1),
    duration_ms=st.sampled_from([1, 500, 10**9]),
)
def test_no_judgement_ever_starts_a_second_run(
    lag_ms: int,
    delay_s: int,
    not_before_s: int,
    sent_ms: int,
    transit: float,
    looked_after_ms: int,
    resent_after: float,
    duration_ms: int,
) -> None:
    """A run was accepted, at any moment that the assumptions allow, and the listing does not show it."""
    accepted_ms = sent_ms + int(transit * lag_ms)
    starts_ms = max(accepted_ms + 1000 * delay_s, 1000 * not_before_s)
    ends_ms = starts_ms + duration_ms
    is_delayed = starts_ms > accepted_ms
    visible_ms = starts_ms + lag_ms if is_delayed else sent_ms + lag_ms
    listed_ms = sent_ms + lag_ms + looked_after_ms
    if listed_ms >= visible_ms:
        return  # it is found, and nothing is judged
    judgement = judge(
        attempt(since_ms=0, delay_s=delay_s or None, not_before_s=not_before_s or None),
        listed_at_ms=listed_ms,
        ended_at_ms=sent_ms,
        log_lag_ms=lag_ms,
    )
    assert judgement.absence is not Absence.NEVER_ACCEPTED
    if judgement.absence is Absence.RESERVED_IF_ACCEPTED:
        assert judgement.send_before_ms is not None
        resent_ms = judgement.send_before_ms - 1
        arrives_ms = resent_ms + int(resent_after * lag_ms)
        assert accepted_ms <= arrives_ms < ends_ms, "the id must still be reserved when the request arrives"


@given(lag_ms=LAG_MS, delay_s=DELAY_S, sent_ms=st.integers(0, 10_000), looked_after_ms=st.integers(0, 10_000))
def test_waiting_as_told_comes_to_an_end(lag_ms: int, delay_s: int, sent_ms: int, looked_after_ms: int) -> None:
    lost = attempt(since_ms=None, delay_s=delay_s or None)
    listed_ms = sent_ms + lag_ms + looked_after_ms
    judgement = judge(lost, listed_at_ms=listed_ms, ended_at_ms=sent_ms, log_lag_ms=lag_ms)
    if judgement.absence is Absence.TOO_EARLY:
        judgement = judge(lost, listed_at_ms=listed_ms + judgement.wait_ms, ended_at_ms=sent_ms, log_lag_ms=lag_ms)
    assert judgement.absence is Absence.NEVER_ACCEPTED


def test_an_undelayed_run_that_does_not_show_was_never_accepted() -> None:
    judgement = judge(attempt(since_ms=0), listed_at_ms=60_000, ended_at_ms=0, log_lag_ms=60_000)
    assert judgement.absence is Absence.NEVER_ACCEPTED


def test_a_long_delay_is_sent_again_at_once_and_not_too_late() -> None:
    judgement = judge(attempt(since_ms=0, delay_s=3600), listed_at_ms=61_000, ended_at_ms=1000, log_lag_ms=60_000)
    assert judgement.absence is Absence.RESERVED_IF_ACCEPTED
    assert judgement.send_before_ms == 3_600_000 - 60_000 - 1000
