"""Runs that the server knows under names that nothing declares. A new run may be one of them, under another name.

This happens where a state was lost, or is another runner's, and the `moved:` entry of a rename is gone: triggering the
new name would start the run a second time. Whoever applies has to confirm that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from wfdeploy.catalogue.catalogue import Catalogue
from wfdeploy.errors import InvalidInput
from wfdeploy.manifests.identify.fingerprint import version_of
from wfdeploy.manifests.identify.run_ids import parse_attempt
from wfdeploy.model.address import Address, shell_pattern
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.observed import ObservedRun
from wfdeploy.model.plan import Action, Change
from wfdeploy.model.run import DesiredRun
from wfdeploy.model.workflow_id import RunIdParts, derived_id, id_key, parse_run_id, read_derived_id
from wfdeploy.planning.listing.adoption import Matches
from wfdeploy.planning.listing.matches import Matcher


class Unclaimed:
    """Finds new runs that do what an unclaimed run did. Each unclaimed run explains one.

    dismissed: questions that were answered: new addresses by workflow run id.
    fingerprints_under: all fingerprints that a run has or had, in the version of another one.
    """

    def __init__(
        self,
        runs: Iterable[ObservedRun],
        dismissed: Mapping[str, Address],
        fingerprints_under: Callable[[DesiredRun, str], Sequence[str]],
    ) -> None:
        self._confirmed = frozenset(dismissed.values())
        self._fingerprints_under = fingerprints_under
        self._left: dict[str, dict[str | None, list[str]]] = {}  # ids by fingerprint, and by the time of an instance
        self._samples: dict[int, str] = {}  # by version: a fingerprint
        for run_id, parts in sorted(_latest(runs), key=lambda one: (one[0], one[1].place), reverse=True):
            if run_id not in dismissed:
                self._left.setdefault(parts.fingerprint, {}).setdefault(parts.at, []).append(run_id)
                self._samples[version_of(parts.fingerprint)] = parts.fingerprint

    def __bool__(self) -> bool:
        return bool(self._left)

    def marked(self, changes: Iterable[Change], concerns: Callable[[str], bool]) -> Iterator[Change]:
        """Yield all changes. Those that would trigger an unclaimed run again name it. `concerns`: whether an address is
        in question."""
        for change in changes:
            run_id = self._explaining(change) if change.action is Action.TRIGGER and concerns(change.address) else None
            yield (
                change
                if run_id is None
                else change._replace(
                    reason=f"{change.reason}; a run that did the same is on the server, under another name",
                    unclaimed=run_id,
                )
            )

    def _explaining(self, change: Change) -> str | None:
        if change.desired is None or change.address in self._confirmed:
            return None
        for sample in self._samples.values():
            for text in self._fingerprints_under(change.desired, sample):
                named = parse_run_id(change.workflow_run_id)
                if ids := self._left.get(text, {}).get(None if named is None else named.at):
                    return ids.pop()
        return None


def unclaimed_runs(matcher: Matcher, matches: Matches, listed: Sequence[ObservedRun]) -> Sequence[ObservedRun]:
    """The listed and remembered runs that nothing in the whole project declares.

    If a part of the manifests is loaded, or one shard, the rest is read to know that, provided that a run of this part
    does the same as one of them. If the rest can't be read, no run is known to be unclaimed.
    """
    manifests, shard = matcher.manifests, matcher.shard
    if manifests.complete and shard is None:
        return matches.unmatched
    candidates = list(matches.unmatched)
    if shard is not None:
        # A new name mostly belongs to another shard than the former one.
        candidates += [run for run in listed if (parts := _parts(run)) is not None and not shard.covers(parts.place)]
    texts = {parts.fingerprint for run in candidates if (parts := _parts(run)) is not None}
    if not texts or manifests.elsewhere is None:
        return ()
    if not any(run.fingerprint in texts or run.group.schedule is not None for run in manifests.runs.runs()):
        return ()
    whole = manifests.elsewhere.whole
    if whole is None:
        return ()
    try:
        everything = Matcher(matcher.baseline, matcher.now_ms, whole)
    except InvalidInput:
        return ()
    return everything.match(candidates, ()).unmatched


def _latest(runs: Iterable[ObservedRun]) -> Iterator[tuple[str, RunIdParts]]:
    """The id of the latest run of each place. It replaced what ran there before."""
    latest: dict[str, tuple[tuple[int, int], str, RunIdParts]] = {}
    for run in runs:
        parts = _parts(run)
        if parts is None:
            continue
        order = run.created_at_ms, parts.generation
        known = latest.get(parts.place)
        if known is None or order > known[0]:
            latest[parts.place] = order, run.workflow_run_id, parts
    return ((run_id, parts) for _, run_id, parts in latest.values())


def _parts(run: ObservedRun) -> RunIdParts | None:
    derived = read_derived_id(run)
    return None if derived is None else derived.parts


def taken_ids(changes: Iterable[Change], unmatched: Iterable[ObservedRun], declared: Catalogue) -> list[Diagnostic]:
    """Diagnose changes that would use an id that a run of this project has, when nothing says what that run did.

    It may be the declared run itself, an edited one, or one of another address: neither triggering nor adopting would
    be right in all of these cases.
    """
    unknown = {id_key(run.workflow_run_id) for run in unmatched if _tells_nothing(run)}
    if not unknown or unknown.isdisjoint(id_key(run.workflow_run_id or "") for run in declared.with_own_ids()):
        return []
    return [
        Diagnostic(
            code="taken-run-id",
            message=f"the server has a run with the workflowRunId {run.workflow_run_id}, and neither the state nor the "
            "run's labels tell whether it is this one",
            place=run.source.place,
            address=run.address,
            hint=f"if it is, record it as triggered: wfdeploy adopt --target {shell_pattern(run.address)}; "
            "else give this one another workflowRunId",
        )
        for change in changes
        if change.sends
        and not change.resumes
        and (run := change.desired) is not None
        and run.workflow_run_id is not None
        and id_key(run.workflow_run_id) in unknown
    ]


def _tells_nothing(run: ObservedRun) -> bool:
    return derived_id(run) is None and parse_attempt(run.labels) is None
