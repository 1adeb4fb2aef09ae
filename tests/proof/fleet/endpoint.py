"""Workflows that take minutes to days, and succeed or fail as the seed has it.

They speak the step protocol to the embedded server from inside each delivery: first a step that sleeps, then the end.
A resumed run sleeps once more and may fail again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from random import Random

from wfdeploy.localserver.api.ingest import Ingest, Submission
from wfdeploy.localserver.api.services import Services
from wfdeploy.localserver.http_client import EndpointRequest, Reply
from wfdeploy.localserver.runs import waiting
from wfdeploy.localserver.store.records import RunRecord, RunState
from wfdeploy.localserver.tenants import Tenant

_DONE = Reply(200, (("Upstash-Workflow-Sdk-Version", "1"),), b"{}")
_FAILED = Reply(489, (("Upstash-NonRetryable-Error", "true"),), b'{"message":"no"}')
_FLAKY = Reply(500, (("Upstash-Workflow-Sdk-Version", "1"),), b'{"message":"not now"}')

MINUTE, HOUR, DAY = 60, 3600, 86_400

DURATIONS_S = (0, 20, 5 * MINUTE, 5 * MINUTE, 40 * MINUTE, 3 * HOUR, 9 * HOUR, 2 * DAY)

FAILURES = {"tried": 0.35, "again": 0.35, "hours": 0.25, "nightly": 0.2, "wave": 0.08}
"""Of the runs of a kind of group, so many fail; of the others one in ten."""


class Endpoint:
    """`answer` takes the deliveries. Once `is_calm`, runs that begin succeed within minutes."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._ordinals: Counter[str] = Counter()
        self._fates: dict[int, tuple[int, bool, bool]] = {}
        self.is_calm = False
        self.services: Callable[[], Services]
        self.tenant: Tenant

    def answer(self, request: EndpointRequest) -> Reply:
        """One delivery, in the server's thread."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        if "upstash-workflow-is-failure" in headers:
            return _DONE
        services = self.services()
        run = services.store.run_in_progress(self.tenant.name, headers["upstash-workflow-runid"])
        if run is None:
            return _DONE
        if run.seq not in self._fates:
            self._fates[run.seq] = self._fate(run)
            self._sleep(services, run, len(json.loads(request.body)))
            return _DONE
        duration_s, fails, flaky = self._fates[run.seq]
        if flaky:
            self._fates[run.seq] = (duration_s, fails, False)
            return _FLAKY
        if fails:
            return _FAILED
        with services.store.transaction():
            following = waiting.end_run(services.store, run.seq, RunState.SUCCESS, now_ms=services.clock.now_ms())
        services.engine.schedule(following)
        return _DONE

    def _fate(self, run: RunRecord) -> tuple[int, bool, bool]:
        """How long, whether it fails, whether the endpoint stumbles on the way."""
        who = json.loads(run.payload)["run"]
        self._ordinals[who] += 1
        chance = Random(f"{self._seed}/{who}/{self._ordinals[who]}")
        kind = run.url.rpartition("/")[2]
        duration_s, fails, flaky = chance.choice(DURATIONS_S), chance.random(), chance.random() < 0.1
        if self.is_calm:
            return min(duration_s, HOUR), False, False
        return duration_s, fails < FAILURES.get(kind, 0.1), flaky

    def _sleep(self, services: Services, run: RunRecord, step: int) -> None:
        ingest = Ingest(services, self.tenant, "127.0.0.1")
        entry = {"stepId": step, "stepName": "work", "stepType": "SleepFor", "concurrent": 1, "out": "{}"}
        told = {"Upstash-Workflow-RunId": run.run_id, "Upstash-Workflow-Init": "false"}
        told["Upstash-Delay"] = f"{self._fates[run.seq][0]}s"
        with services.accepting():
            ingest.publish(Submission(run.url, told, json.dumps(entry).encode()))
        services.engine.schedule(ingest.to_schedule)
