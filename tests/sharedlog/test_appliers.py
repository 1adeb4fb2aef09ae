"""Two to five machines apply one project at once, with real processes, over paths that lose, double and delay; they are
killed, stopped beyond their lease and cut off. Every run is started once, and every replica is equal to the log.

One storm per store is lived through by default. `APPLIERS_SOAK=<seconds>` says how long to go on instead, and
`APPLIERS_SEED` what to begin with.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.fakes.cutting_relay import Cut
from tests.fakes.fault_proxy import Fault, by_chance, scripted
from tests.sharedlog.appliers import LEASE_S, Machine, Site, site
from tests.sharedlog.servers import Place

SOAK_S = float(os.environ.get("APPLIERS_SOAK", "0"))

STORM_S = 8.0
"""How long things go wrong in one storm."""

TO_SERVER = {
    Fault.PASS: 5.0,
    Fault.DELAY: 1.0,
    Fault.ANSWER_TWICE: 1.0,
    Fault.DROP_REQUEST: 0.5,
    Fault.DROP_ANSWER: 0.5,
    Fault.RESET_ANSWER: 0.5,
    Fault.HANG_ANSWER: 0.2,
    Fault.BAD_GATEWAY: 0.3,
    Fault.UNAVAILABLE: 0.3,
}
TO_STORE = {
    Fault.PASS: 20.0,
    Fault.TWICE: 2.0,
    Fault.ANSWER_TWICE: 1.0,
    Fault.UNAVAILABLE: 0.5,
    Fault.DELAY: 1.0,
}
CUTS = {Cut.BEFORE: 2.0, Cut.AFTER: 2.0, Cut.MIDDLE: 1.0, Cut.SILENT: 0.5, Cut.LATE: 1.0, Cut.SLOW: 2.0}

ENDS = {0, 4, 5, 6, 7, -signal.SIGKILL}
"""How an apply may end in a storm: done, its files changed while they were read, the state can't be used, some outcomes
are open, something was left undone, killed."""


class Storm:
    """What goes wrong at one site. `happened` counts it."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self.site = site
        self.chance = chance
        self.happened: Counter[str] = Counter()
        self.loss = chance.choice((0.0, 0.03, 0.1))
        self._stopped: list[tuple[float, Machine]] = []  # until when
        self._cut_off: list[tuple[float, Machine]] = []
        self._tick = threading.Event()
        # A process that is stopped between its last look at the lease and its first byte starts a run again whose id is
        # free: that is what the guarantee leaves open. So where processes are stopped, no run ends.
        self.stops = chance.random() < 0.5
        site.server.faults.instant_finish = not self.stops
        site.server.faults.hold_deliveries = self.stops

    def live(self) -> None:
        """Live through it."""
        site, chance = self.site, self.chance
        site.gate.policy = by_chance(chance.getrandbits(32), TO_SERVER)
        if site.store is not None:
            site.store.policy = by_chance(chance.getrandbits(32), TO_STORE)
        for machine in site.machines:
            machine.path.choose = self._cut
        end = time.monotonic() + STORM_S
        while time.monotonic() < end:
            chance.choice((self._start, self._start, self._start, self._edit, self._harm, self._cut_one_off))()
            self._tick.wait(chance.random() * 0.7)  # the moment of the next misfortune
            self._recover(time.monotonic())
        self.calm()

    def calm(self) -> None:
        """Nothing more goes wrong; what is under way ends."""
        for machine in self.site.machines:
            machine.path.choose = lambda _: None
        self._recover(float("inf"))
        self.site.gate.policy = scripted(())
        if self.site.store is not None:
            self.site.store.policy = scripted(())
            self.happened["requests to the store doubled"] += self.site.store.done[Fault.TWICE]
        self.happened["requests to the server troubled"] += sum(
            count for fault, count in self.site.gate.done.items() if fault is not Fault.PASS
        )
        for machine in self.site.machines:
            self._await(machine)
            self.happened["writes and reads of the store cut"] += sum(machine.path.done.values())
            self.happened["... and arrived late"] += machine.path.done[Cut.LATE]

    def _cut(self, _: bytes) -> Cut | None:
        if self.chance.random() >= self.loss:
            return None
        return self.chance.choices(tuple(CUTS), tuple(CUTS.values()))[0]

    # --- misfortunes -----------------------------------------------------------------------------------------

    def _start(self) -> None:
        idle = [machine for machine in self.site.machines if machine.child is None]
        if idle:
            self.chance.choice(idle).start()
            self.happened["applies"] += 1

    def _edit(self) -> None:
        self.site.declare(2)

    def _harm(self) -> None:
        going = [machine for machine in self.site.machines if self._is_going(machine)]
        if not going:
            return
        machine = self.chance.choice(going)
        assert machine.child is not None
        if self.stops and self.chance.random() < 0.6:
            machine.child.process.send_signal(signal.SIGSTOP)
            self.happened["stops"] += 1
            self._stopped.append((time.monotonic() + LEASE_S * self.chance.choice((0.5, 2.5)), machine))
        else:
            machine.child.process.kill()
            self.happened["kills"] += 1

    def _cut_one_off(self) -> None:
        machine = self.chance.choice(self.site.machines)
        if machine not in [one for _, one in self._cut_off]:
            machine.path.choose = lambda _: Cut.BEFORE
            self.happened["partitions"] += 1
            self._cut_off.append((time.monotonic() + LEASE_S * self.chance.choice((0.3, 1.5)), machine))

    # --- and their ends --------------------------------------------------------------------------------------

    def _recover(self, now: float) -> None:
        for since, machine in [one for one in self._stopped if one[0] <= now]:
            if machine.child is not None:  # it may have ended just before it was stopped
                machine.child.process.send_signal(signal.SIGCONT)
            self._stopped.remove((since, machine))
        for since, machine in [one for one in self._cut_off if one[0] <= now]:
            machine.path.choose = self._cut if now < float("inf") else lambda _: None
            self._cut_off.remove((since, machine))
        for machine in self.site.machines:
            if self.chance.random() < 0.2 or now == float("inf"):
                machine.path.deliver()
            if machine.child is not None and machine.child.process.poll() is not None:
                self._await(machine)

    def _is_going(self, machine: Machine) -> bool:
        stopped = [one for _, one in self._stopped]
        return machine.child is not None and machine.child.process.poll() is None and machine not in stopped

    def _await(self, machine: Machine) -> None:
        if machine.child is not None:
            result, machine.child = machine.child.result(), None
            assert result.code in ENDS, (result.code, result.stderr)
            assert "Traceback" not in result.stderr, result.stderr


@pytest.mark.parametrize("kind", ["s3", "postgres"])
def test_every_run_starts_once_and_every_replica_is_the_log(places: Callable[[str], Place], kind: str) -> None:
    until = time.monotonic() + SOAK_S
    number = int(os.environ.get("APPLIERS_SEED", random.SystemRandom().randrange(2**32)))
    total: Counter[str] = Counter()
    while True:
        print(f"APPLIERS_SEED={number}", flush=True)
        chance = random.Random(number)
        with site(places, kind) as here:
            storm = Storm(here, chance)
            here.begin(chance.choice((2, 3, 3, 4, 5)), 6)
            try:
                storm.live()
            finally:
                for machine in here.machines:
                    if machine.child is not None:
                        machine.child.process.kill()
            here.converge()
            storm.happened |= Counter(storms=1, runs=here.runs)
        total += storm.happened
        print(json.dumps(total), flush=True)
        if time.monotonic() >= until:
            return
        number += 1
