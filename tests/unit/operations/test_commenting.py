"""One comment a report, over real sockets: created, updated in place, marked, and never two."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.fakes.code_hosts import (
    HEAD,
    ME,
    STRANGER,
    CodeHostServer,
    GitHubServer,
    GitLabServer,
    Intervention,
    Note,
    drop,
    lose,
    refuse,
)
from tests.fakes.raw_http import RawRequest
from wfdeploy.errors import CommentRefused, RemoteFailure
from wfdeploy.model.pull_request import FoundStamp, Posted, PostOutcome, ReportStamp
from wfdeploy.operations.commenting import post
from wfdeploy.ports import CodeHost
from wfdeploy.render.comment import body, mark_stale

OLD = "b" * 40


@pytest.fixture(params=[GitHubServer, GitLabServer])
def server(request: pytest.FixtureRequest) -> Iterator[CodeHostServer]:
    with request.param() as server:
        yield server


def host_of(server: CodeHostServer) -> CodeHost:
    assert isinstance(server, GitHubServer | GitLabServer)
    return server.client()


def report(
    environment: str = "production", *, commit: str = HEAD, text: str = "### Plan", project: str = "shop"
) -> str:
    return f"{ReportStamp(project=project, environment=environment, commit=commit)}\n{text}\n"


def posted(server: CodeHostServer, text: str) -> Posted:
    stamp = FoundStamp.of(text)
    assert stamp is not None

    def compose(is_stale: bool) -> str:
        return body(text, limit=server.most_characters, is_stale=is_stale, job_url=None)

    return post(host_of(server), stamp, compose, mark_stale)


def test_it_is_created_then_updated_in_place(server: CodeHostServer) -> None:
    server.add("LGTM", author=STRANGER)
    first = posted(server, report(text="### One"))
    assert (first.outcome, first.is_stale, first.marked) == (PostOutcome.CREATED, False, [])
    assert str(server.notes[-1].id) in first.url
    second = posted(server, report(text="### Two"))
    assert second == Posted(PostOutcome.UPDATED, first.url, is_stale=False, marked=[])
    assert len(server.notes) == 2
    assert "### Two" in server.notes[1].body
    assert posted(server, report(text="### Two")).outcome is PostOutcome.UNCHANGED
    assert server.methods[0] == "POST"
    assert len(server.methods) == 2


def test_environments_have_comments_of_their_own(server: CodeHostServer) -> None:
    posted(server, report("staging"))
    assert posted(server, report("production")).outcome is PostOutcome.CREATED
    assert len(server.notes) == 2


def test_it_is_found_on_a_later_page(server: CodeHostServer) -> None:
    for number in range(130):
        server.add(f"comment {number}", author=STRANGER)
    note = server.add(report(text="### One"))
    assert posted(server, report(text="### Two")).outcome is PostOutcome.UPDATED
    assert "### Two" in note.body


def test_the_comment_of_somebody_else_is_left_alone(server: CodeHostServer) -> None:
    forged = server.add(report(text="No changes."), author=STRANGER)
    assert posted(server, report()).outcome is PostOutcome.CREATED
    assert "No changes." in forged.body


@pytest.mark.parametrize("count", [1, 2])
def test_a_lost_answer_makes_no_second_comment(server: CodeHostServer, count: int) -> None:
    server.instead("POST", *[drop] * (count - 1), lose)
    assert posted(server, report()).outcome is PostOutcome.CREATED
    assert len(server.notes) == 1
    assert server.methods == ["POST"] * count


def test_a_limit_of_new_comments_is_waited_for(server: CodeHostServer) -> None:
    server.instead("POST", refuse(403, "You have exceeded a secondary rate limit", {"Retry-After": "20"}), refuse(429))
    assert posted(server, report()).outcome is PostOutcome.CREATED
    assert len(server.notes) == 1


def test_it_gives_up_after_some_tries(server: CodeHostServer) -> None:
    server.instead("POST", *[drop] * 10)
    with pytest.raises(RemoteFailure, match="neither accepted nor found"):
        posted(server, report())
    assert server.methods == ["POST"] * 5


def test_a_comment_that_was_deleted_meanwhile_is_created_again(server: CodeHostServer) -> None:
    note = server.add(report(text="### One"))

    def delete(server: CodeHostServer, request: object) -> bytes:
        server.notes.remove(note)
        return server.answer(server.requests[-1])

    server.instead(updating(server), delete)
    assert posted(server, report(text="### Two")).outcome is PostOutcome.CREATED
    assert ["### Two" in note.body for note in server.notes] == [True]


def test_of_two_only_one_remains(server: CodeHostServer) -> None:
    first, _ = server.add(report(text="### One")), server.add(report(text="### Another"))
    posted(server, report(text="### Two"))
    assert server.notes == [first]
    assert "### Two" in first.body


def updating(server: CodeHostServer) -> str:
    return "PATCH" if isinstance(server, GitHubServer) else "PUT"


def then(change: Callable[[], object]) -> Intervention:
    """Do what was requested; then somebody else is faster than the next look."""

    def intervene(server: CodeHostServer, request: RawRequest) -> bytes | None:
        answer = server.answer(request)
        change()
        return answer

    return intervene


def test_what_another_job_overwrites_is_posted_again(server: CodeHostServer) -> None:
    note = server.add(report(text="### One", commit=OLD))
    marked = mark_stale(note.body)
    server.instead(updating(server), then(lambda: setattr(note, "body", marked)))
    assert posted(server, report(text="### Two")).outcome is PostOutcome.UPDATED
    assert "### Two" in note.body
    assert server.methods == [updating(server)] * 2


def test_a_job_of_the_latest_commit_wins_also_in_between(server: CodeHostServer) -> None:
    note = server.add(report(text="### One", commit=OLD))
    server.instead(updating(server), then(lambda: setattr(note, "body", report(text="### New"))))
    assert posted(server, report(text="### Two", commit=OLD)).outcome is PostOutcome.SUPERSEDED
    assert "### New" in note.body


def test_what_is_pushed_during_a_wait_is_noticed(server: CodeHostServer) -> None:
    def push(server: CodeHostServer, request: RawRequest) -> bytes | None:
        server.head = "c" * 40
        server.add(report(text="### New", commit=server.head))
        return refuse(429)(server, request)  # type: ignore[return-value]

    server.instead("POST", push)
    assert posted(server, report()).outcome is PostOutcome.SUPERSEDED
    assert ["### New" in note.body for note in server.notes] == [True]


def test_of_two_jobs_that_create_at_once_one_comment_remains(server: CodeHostServer) -> None:
    server.instead("POST", then(lambda: server.notes.insert(0, Note(7, ME, report(text="### Other")))))
    assert posted(server, report(text="### Two")).outcome is PostOutcome.CREATED
    assert ["### Two" in note.body for note in server.notes] == [True]


def test_a_comment_that_its_own_job_has_updated_is_not_marked(server: CodeHostServer) -> None:
    staging = server.add(report("staging", commit=OLD))
    server.instead("POST", then(lambda: setattr(staging, "body", report("staging", text="### New"))))
    assert posted(server, report()).marked == []
    assert "### New" in staging.body


def test_a_lost_answer_of_an_update_is_looked_up(server: CodeHostServer) -> None:
    note = server.add(report(text="### One"))
    server.instead(updating(server), lose)
    assert posted(server, report(text="### Two")).outcome is PostOutcome.UPDATED
    assert "### Two" in note.body
    assert server.methods == [updating(server)]


def test_a_report_of_an_earlier_commit_says_so(server: CodeHostServer) -> None:
    found = posted(server, report(commit=OLD))
    assert (found.outcome, found.is_stale) == (PostOutcome.CREATED, True)
    assert "**Out of date:** this is about `bbbbbbbbbb`" in server.notes[0].body
    assert posted(server, report()).is_stale is False
    assert "Out of date" not in server.notes[0].body


def test_a_report_of_an_earlier_commit_replaces_none_of_the_latest(server: CodeHostServer) -> None:
    older, note = server.add(report(commit=OLD)), server.add(report(text="### New"))
    found = posted(server, report(commit=OLD, text="### Old"))
    assert (found.outcome, found.is_stale) == (PostOutcome.SUPERSEDED, False)
    assert server.notes == [note]
    assert "### New" in note.body
    assert older not in server.notes


def test_other_comments_of_an_earlier_commit_are_marked_once(server: CodeHostServer) -> None:
    staging = server.add(report("staging", commit=OLD))
    other = server.add(report(project="other", commit=OLD))
    foreign = server.add(report("eu", commit=OLD), author=STRANGER)
    current = server.add(report("us"))
    found = posted(server, report())
    assert [comment.id for comment in found.marked] == [str(staging.id)]
    assert "Out of date" in staging.body
    assert not any("Out of date" in note.body for note in (other, foreign, current))
    assert posted(server, report(text="### Two")).marked == []
    posted(server, report("staging"))
    assert "Out of date" not in staging.body


def test_a_report_without_a_commit_is_posted_as_it_is(server: CodeHostServer) -> None:
    assert posted(server, report(commit="")).is_stale is False
    server.head = ""
    assert posted(server, report("staging", commit=OLD)).is_stale is False


def test_a_long_report_is_cut_to_what_the_host_takes(server: CodeHostServer) -> None:
    text = "```text\n" + "x" * 99 + "\n"
    posted(server, report(text=text + ("y" * 99 + "\n") * (server.most_characters // 100 + 10)))
    assert server.most_characters - 300 < len(server.notes[0].body) <= server.most_characters


def test_a_token_that_may_only_read_is_refused(server: CodeHostServer) -> None:
    server.is_readonly = True
    with pytest.raises(CommentRefused, match="403"):
        posted(server, report())


def test_a_pull_request_that_is_not_there_is_refused(server: CodeHostServer) -> None:
    server.instead("GET", refuse(404, "Not Found"))
    with pytest.raises(CommentRefused, match="knows no"):
        posted(server, report())
