"""Patterns of ours on text of others: files, servers, states. None takes longer than others."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from wfdeploy.documents import scalars
from wfdeploy.documents.values import retry_delay_problem
from wfdeploy.manifests.expand.expressions import ExpressionError, split
from wfdeploy.manifests.expand.references import References
from wfdeploy.model.address import instance_parts, split_address
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.render import diagnostics
from wfdeploy.upstash.refusals import error_text, named_running

LENGTH = 60_000


def _page(text: str) -> object:
    return error_text(f"<html>{text}".encode())


def _running(text: str) -> object:
    return named_running(text, ("id-1",))


def _told(text: str) -> object:
    return "".join(diagnostics.chunks([Diagnostic(code="x", message=text, place=Place("m.yaml"))] * 2))


def _expression(text: str) -> object:
    return References({}, ()).compile(text, ())


WHOLE: list[Callable[[str], object]] = [
    _page, _running, _told, _expression, split, split_address, instance_parts, scalars.seconds, retry_delay_problem,
]  # fmt: skip
PUMPED = [
    "a", ".", " ", "'", '"', "<", "<!--", "<script", "<script>", "<title", "<title>", "</script", ",]", "a.b", "1d",
    "%41", '${{ \\" }}', "${{ ' ", "a@", "[", "a-", "is ", "run id ", "\t", "\n", "a,",
]  # fmt: skip


@pytest.mark.parametrize("read", WHOLE, ids=lambda read: getattr(read, "__qualname__", "read"))
def test_no_text_takes_long(read: Callable[[str], object]) -> None:
    for unit in PUMPED:
        for before in ("", "a", "${{ ", "${{ '"):
            text = before + unit * (LENGTH // len(unit)) + "\0"
            began = time.process_time()
            with suppress(ExpressionError, ValueError):
                read(text)
            assert time.process_time() - began < 1, (read, before, unit)
