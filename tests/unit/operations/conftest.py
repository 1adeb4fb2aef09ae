"""A project in virtual time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.virtual import VirtualBench, virtual_bench


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    """Runs take a minute, and the logs lag by five seconds."""
    with virtual_bench(duration_s=60.0) as bench:
        yield bench
