"""Shards: together they are the whole, and a listing tells what a manifest tells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.manifests.identify.run_ids import place_of, run_id
from wfdeploy.model.project import Shard, is_this_machine, parse_shard
from wfdeploy.model.workflow_id import parse_run_id


@given(st.text(min_size=1), st.integers(1, 64))
def test_every_run_belongs_to_exactly_one_shard(address: str, count: int) -> None:
    place = place_of("p", "e", address)
    assert [Shard(index, count).covers(place) for index in range(1, count + 1)].count(True) == 1


@given(st.sampled_from(["g/a", "g/b[é]", "other/run"]), st.integers(1, 9))
def test_a_workflow_run_id_tells_its_shard(address: str, count: int) -> None:
    parts = parse_run_id(run_id("p", "e", address, "1:" + "a" * 26, 3))
    assert parts is not None
    for index in range(1, count + 1):
        shard = Shard(index, count)
        assert shard.covers(parts.place) is shard.covers(place_of("p", "e", address))


def test_shards_are_about_equal() -> None:
    counts = [0] * 7
    for number in range(7000):
        place = place_of("p", "e", f"g/r{number}")
        counts[[Shard(index, 7).covers(place) for index in range(1, 8)].index(True)] += 1
    assert min(counts) > 850
    assert max(counts) < 1150


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "a/b", "1/4/2", "", "-1/4", "1/10000", "1 / 4"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not I/N"):
        parse_shard(text)


def test_a_shard_is_written_as_it_is_read() -> None:
    assert str(parse_shard("2/4")) == "2/4"


def test_loopback() -> None:
    assert all(map(is_this_machine, ("localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.255.0.1", "::1")))
    assert not any(map(is_this_machine, ("", "0.0.0.0", "example.com", "localhost.com", "128.0.0.1", "::2")))
