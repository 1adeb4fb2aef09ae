"""Machines that apply one project with one shared state: processes, each with its own checkout, home and paths."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.cutting_relay import CuttingRelay
from tests.fakes.fault_proxy import FaultProxy
from tests.sharedlog.servers import Place
from tests.support.command import Checkout, Child, Result, once_each
from tests.support.local_server import LocalServer
from tests.support.scratch import scratch
from tests.support.turnstile import Turnstile
from tests.support.workbench import group, run

LEASE_S = 3.0
"""How long leases live here. Long enough for a process on a busy machine to renew it in time."""

SMALL = ("--batch-size", "2", "--concurrency", "2")  # several batches, two at once


@dataclass(kw_only=True)
class Machine:
    """One of the machines. What it says to the store goes over `path`."""

    checkout: Checkout
    path: CuttingRelay
    url: str
    """Of the state, over the path."""

    child: Child | None = None
    """The process that runs, or is stopped."""

    def start(self, *arguments: str) -> Child:
        """Start an apply."""
        apply = ("apply", "--yes", "-o", "json", "--state", self.url, "--lock-timeout", "60")
        self.child = self.checkout.start(*apply, *(arguments or SMALL))
        return self.child

    def apply(self, *arguments: str) -> Result:
        """An apply, to its end."""
        return self.start(*arguments).result()

    def here(self, *arguments: str) -> Result:
        """A command that takes no lease, within this process."""
        return self.checkout.here(*arguments, "--state", self.url)


@dataclass(kw_only=True)
class Site:
    """A workflow server, a store, and what lies between them and the machines."""

    server: LocalServer
    gate: Turnstile
    """On the way of all machines to the server."""

    place: Place
    store: FaultProxy | None
    """On the way of all machines to a store that speaks HTTP, behind their paths."""

    prefix: str
    root: Path
    stack: ExitStack
    machines: list[Machine] = field(default_factory=list)
    bodies: list[object] = field(default_factory=list)
    """Of the runs that are declared."""

    front: str = ""
    """Where machines reach the server, instead of the gate. A state belongs to one server, so it is one URL for all."""

    def add_machine(self) -> Machine:
        """A machine that has no replica yet, and the manifests of the others."""
        path = self.stack.enter_context(CuttingRelay(self.place.port if self.store is None else self.store.port))
        checkout = Checkout(
            self.root / f"machine-{len(self.machines)}",
            self.front or self.gate.url,
            self.server.token,
            environ=dict(self.place.environ),
            lease_s=LEASE_S,
        )
        checkout.configure(logLag=1, timeouts={"read": 1})
        machine = Machine(checkout=checkout, path=path, url=self.place.url_of(self.prefix, port=path.port))
        self.machines.append(machine)
        self._write(machine)
        return machine

    def declare(self, more: int, *, body: object = "") -> None:
        """Everybody pulls a commit that adds so many runs."""
        self.bodies += [body] * more
        for machine in self.machines:
            self._write(machine)

    def _write(self, machine: Machine) -> None:
        if self.bodies:
            runs = [run(f"r{n}", body={"n": n, "of": body}) for n, body in enumerate(self.bodies)]
            machine.checkout.write(group("g", runs))

    @property
    def runs(self) -> int:
        """How many are declared."""
        return len(self.bodies)

    def begin(self, machines: int, runs: int, *, body: object = "") -> list[Machine]:
        """Begin the state, and declare runs on so many machines."""
        for _ in range(machines):
            self.add_machine()
        self.declare(runs, body=body)
        begun = self.machines[0].checkout.run("state", "init", "--state", self.machines[0].url)
        assert begun.code == 0, begun.stderr
        return self.machines

    def converge(self) -> None:
        """What scheduled jobs do next, until there is nothing left to do: then each run has been started once, and each
        replica says what the log says."""
        for machine in self.machines:
            for _ in range(4):
                result = machine.apply()
                if result.code == 0:
                    break
            assert result.code == 0, result.stderr
            assert set(result.counts) <= {"triggered", "kept", "adopted", "deduplicated"}, result.counts
        assert result.counts == {"kept": self.runs}
        once_each(self.server.accepted_counts(), self.runs)
        exports = [machine.here("state", "export") for machine in (*self.machines, self.add_machine())]
        assert {one.code for one in exports} == {0}, [one.stderr for one in exports]
        assert len({one.stdout for one in exports}) == 1, "replicas differ"
        assert all(run_id in exports[0].stdout for run_id in self.server.accepted_counts())


@contextmanager
def site(start: Callable[[str], Place], kind: str) -> Iterator[Site]:
    """A server whose runs end the moment they begin (ids are free at once: a second request starts a second run)."""
    with ExitStack() as stack:
        place = start(kind)
        server = stack.enter_context(LocalServer())
        server.faults.instant_finish = True
        store = None
        if kind == "s3":
            store = stack.enter_context(FaultProxy(f"http://127.0.0.1:{place.port}"))
        yield Site(
            server=server,
            gate=stack.enter_context(Turnstile(server.url)),
            place=place,
            store=store,
            prefix=f"acme/{secrets.token_hex(8)}",
            root=stack.enter_context(scratch()),
            stack=stack,
        )
