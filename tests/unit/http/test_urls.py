"""Which texts are plain URLs: those that every reader reads in one way."""

from __future__ import annotations

import pytest

from wfdeploy.http.urls import problem_of


@pytest.mark.parametrize(
    "url", ["https://hooks.slack.com/services/T0/B0/x", "https://h:8443?a=b", "http://127.0.0.1:9/x", "http://[::1]:9/"]
)
def test_plain_urls(url: str) -> None:
    assert problem_of(url) is None


@pytest.mark.parametrize(
    "url",
    ["", "hooks.slack.com", "ftp://h/", "http://hooks.slack.com/x", "https://u:p@hooks.slack.com/", "https://a.example\\@b.example/",
     "https://a.example@b.example/", "https://h/\r\nX: y", "https://h /", "https://h/é", "eyJhbGciOi", "http://localhost.evil.example/"],
)  # fmt: skip
def test_other_texts_are_none(url: str) -> None:
    problem = problem_of(url)
    assert problem is not None
    assert not url or url not in problem
