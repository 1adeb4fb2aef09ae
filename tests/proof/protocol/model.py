"""A model of the protocol of shared states: one run that is declared, machines that come and go, a store that loses
answers and carries out writes late. Small enough to visit every state that it can be in.

Time goes in ticks. What leaves for the server arrives within `LAG` after the last moment at which it can have left;
what is offered to the store arrives at any time, or never. The run is a quick one: its id is not reserved for a moment.
A process may stop between any two steps, for good or until after its lease: it just isn't its turn. A stop between the
last look at the clock and the last byte is what isn't modelled, and remains (see docs/guarantees.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.proof.protocol.values import ALL, LAG, LIFE, Beginning, Entry, Lease, Process, Protection, State, Write


@dataclass(frozen=True, slots=True)
class Model:
    """`troubles`: how many answers are lost, writes late, leases lost or taken away, logs cut, together. `renewals`: of
    each process. `prunes`: whether snapshots are left."""

    protections: frozenset[Protection] = ALL
    processes: int = 2
    troubles: int = 2
    renewals: int = 1
    prunes: bool = True
    begins: Beginning = Beginning.ANEW

    def first(self) -> State:
        """A log with its first entries, and a lease that was given back."""
        log: tuple[Entry, ...] = (Entry("G", -1, 0),)
        late: tuple[Write, ...] = ()
        if self.begins is Beginning.LATE:
            log = (*log, Entry("F", -1, 1))
            late = (Write(2, Entry("I", -1, 2), None, None),)
        is_suspect = self.begins is not Beginning.ANEW
        return State(
            log=log,
            lease=Lease(-1, (-1, 0), len(log) - 1, suspect=is_suspect, stray=False),
            late=late,
            starts=int(self.begins is Beginning.SET_BACK),
            processes=(Process(),) * self.processes,
            luck=self.troubles,
        )

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        """What may happen next: its name, and how everything is then."""
        yield "time passes", self._tick(state)
        for index, write in enumerate(state.late):
            rest = state._replace(late=state.late[:index] + state.late[index + 1 :])
            yield f"a write arrives late: {_words(write)}", self._apply(rest, write)[0]
        for left in sorted(set(state.requests)):
            yield "a request arrives", self._arrive(state, left)
        if state.luck:
            yield from self._troubles(state._replace(luck=state.luck - 1))
        begun = 0
        for number, process in enumerate(state.processes):
            if process.at == "new":
                begun += 1
                if begun > 1:
                    break  # any of those that haven't begun is like the first
            for words, after in self._process(state, number, process):
                yield f"{'ABC'[number]} {words}", after

    # --- the world -------------------------------------------------------------------------------------------

    def _tick(self, state: State) -> State:
        while 1 in state.requests:  # it arrives before the tick is over
            state = self._arrive(state, 1)
        most = LIFE + LAG
        processes = tuple(
            one._replace(
                left=max(one.left - 1, 0),
                held_for=min(one.held_for + 1, most) if one.left or one.held_for else 0,
                watched=min(one.watched + 1, LIFE) if one.at == "watching" else 0,
                age=min(one.age + 1, LIFE) if one.offer is not None and one.offer.lease is not None else 0,
                renewal_age=min(one.renewal_age + 1, LIFE) if one.renewing is not None else 0,
            )
            for one in state.processes
        )
        requests = tuple(left - 1 for left in state.requests)
        return state._replace(requests=requests, processes=tuple(map(self._essence, processes)))

    def _essence(self, own: Process) -> Process:
        """A process without what no longer matters: so there are fewer states, and all that can happen is the same."""
        if own.at in ("new", "watching", "taking", "over"):
            return own
        if not own.left and (own.at != "to send" or Protection.CHECK in self.protections):
            return _OVER  # it does nothing more; what it has offered may still arrive
        if own.at in ("held", "fencing", "fenced"):
            return own
        return own._replace(held_for=0)

    def _arrive(self, state: State, left: int) -> State:
        index = state.requests.index(left)
        requests = state.requests[:index] + state.requests[index + 1 :]
        return self._started(state._replace(requests=requests))

    def _started(self, state: State) -> State:
        starts = state.starts + 1
        broken = "the run started twice" if starts > 1 else state.broken
        return state._replace(starts=min(starts, 2), broken=broken)

    def _troubles(self, state: State) -> Iterator[tuple[str, State]]:
        """What others do. `luck` is paid for."""
        lease = state.lease
        if lease is not None and lease.end is None:
            version = (-2, state.luck)
            gone = lease._replace(version=version, end=-1, suspect=True, stray=True)
            yield "somebody unlocks the lease", state._replace(lease=gone)
        if lease is not None:
            yield "the lease is lost", state._replace(lease=None)
        if len(state.log) > state.snapshots[1] + 1:
            log = state.log[: state.snapshots[1] + 1]
            yield "the log is set back", state._replace(log=log, is_cut=True)

    def _apply(self, state: State, write: Write) -> tuple[State, bool]:
        """Carry a write out. Returns whether its bytes are there then."""
        if write.entry is None:
            version = None if state.lease is None else state.lease.version
            if version == write.expected:
                return state._replace(lease=write.lease), True
            return state, state.lease == write.lease
        number, log = write.at, state.log
        if number < len(log) and (found := log[number]) is not None:
            if not found.is_pruned:
                return state, found == write.entry
            if found[:3] != write.entry[:3]:  # it lands where another one was
                return state._replace(broken=f"two entries with one number: {found}, {write.entry}"), True
            return state, True
        log = log + (None,) * (number - len(log))
        return state._replace(log=(*log, write.entry)), True

    # --- a process -------------------------------------------------------------------------------------------

    def _process(self, state: State, number: int, own: Process) -> Iterator[tuple[str, State]]:
        if own.offer is not None:
            yield from self._offering(state, number, own)
        else:
            match own.at:
                case "new" | "watching":
                    yield from self._take(state, number, own)
                case "held":
                    yield from self._follow(state, number, own)
                case "fenced" | "settled":
                    yield from self._work(state, number, own)
                case "to send":
                    yield from self._send(state, number, own)
                case "done":
                    yield from self._end(state, number, own)
        if own.at not in ("new", "watching", "over"):
            yield from self._renew(state, number, own)

    def _take(self, state: State, number: int, own: Process) -> Iterator[tuple[str, State]]:
        lease = state.lease
        if lease is None or lease.end is not None:
            suspect, stray = (True, True) if lease is None else (lease.suspect, lease.stray)
            words = "takes the lease"
        elif own.seen != lease.version:
            yield "watches the lease", _with(state, number, own._replace(at="watching", seen=lease.version, watched=0))
            return
        elif own.watched >= LIFE or Protection.WATCH not in self.protections:
            suspect, stray, words = True, lease.stray, "takes the lease over"
        else:
            return
        expected = None if lease is None else lease.version
        new = Lease(number, (number, 0), None, suspect, stray)
        taking = own._replace(
            at="taking",
            seen=None,
            watched=0,
            offer=Write(-1, None, expected, new),
            left_end=None if lease is None else lease.end,
        )
        yield words, _with(state, number, taking)

    def _follow(self, state: State, number: int, own: Process) -> Iterator[tuple[str, State]]:
        run = "none"
        for entry in state.log:
            if entry is None or (entry.is_pruned and entry.number > state.snapshots[1]):
                yield "finds entries missing", _with(state, number, _OVER)
                return
            run = {"I": "open" if run == "none" else run, "O": "done"}.get(entry.kind, run)
        end = len(state.log) - 1
        suspect = own.suspect or (own.left_end is not None and own.left_end != end)
        own = own._replace(suspect=suspect, end=end, run=run, left_end=None)
        if Protection.FENCE in self.protections:
            fence = Entry("F", number, end + 1)
            own = own._replace(at="fencing", offer=Write(end + 1, fence, None, None))
        else:
            own = own._replace(at="fenced")
        yield "follows the log", _with(state, number, own)

    def _work(self, state: State, number: int, own: Process) -> Iterator[tuple[str, State]]:
        """What is to be done with the run: nothing, find out about it, or send it."""
        yield "ends", _with(state, number, own._replace(at="done"))  # it gives up
        if own.run == "done":
            yield "writes something else", self._append(state, number, own, "X")
            return
        suspect = own.suspect and Protection.SUSPICION in self.protections
        if own.at == "fenced" and (suspect or own.run == "open"):
            wait = LAG + (LIFE if own.stray and Protection.STRAY in self.protections else 0)
            if own.held_for >= wait or Protection.LATE_LISTING not in self.protections:
                trusted = own._replace(suspect=False, stray=False)
                if state.starts:
                    yield "finds the run", self._append(state, number, trusted, "O")
                else:
                    yield "finds nothing", _with(state, number, trusted._replace(at="settled"))
            return
        yield "writes an intent", self._append(state, number, own, "I")

    def _append(self, state: State, number: int, own: Process, kind: str) -> State:
        # Another try has other bytes: time goes on, or the plan is another one.
        entry = Entry(kind + "'" * own.tries, number, own.end + 1)
        return _with(state, number, own._replace(at="appending", offer=Write(own.end + 1, entry, None, None)))

    def _send(self, state: State, number: int, own: Process) -> Iterator[tuple[str, State]]:
        left = own.left
        if not left and Protection.CHECK in self.protections:
            yield "sees that its lease is over", _with(state, number, own._replace(at="over"))
            return
        yield "sends and is answered", self._append(self._started(state), number, own, "O")
        given_up = own._replace(at="done", suspect=True)
        yield "sends, and gives up", _with(_sent(state, LAG), number, given_up)
        # The last byte of a process that doesn't get to give up leaves as late as the lease ends.
        yield "sends, and stops", _with(_sent(state, max(left - 1, 0) + LAG), number, _OVER)

    def _end(self, state: State, number: int, own: Process) -> Iterator[tuple[str, State]]:
        """Leave a snapshot, or not, and give the lease back."""
        if self.prunes and own.left and own.end > state.snapshots[1] and not state.is_cut:
            yield "leaves a snapshot and prunes", _with(self._prune(state, own.end), number, own)
        if own.left and own.version is not None and own.renewing is None:
            suspect = own.suspect or own.run == "open"
            if Protection.STICKY not in self.protections:
                suspect = own.run == "open"
            released = Lease(number, (number, own.renewals + 1), own.end, suspect, own.stray)
            offer = Write(-1, None, own.version, released)
            yield "gives the lease back", _with(state, number, own._replace(at="releasing", offer=offer))

    def _prune(self, state: State, end: int) -> State:
        kept = ("F", "G") if Protection.FENCES_STAY in self.protections else ("G",)
        snapshots = (state.snapshots[1], end)
        until = snapshots[0] if Protection.BUT_ONE in self.protections else end
        log = tuple(
            entry if entry is None or entry.number > until or entry.kind in kept else entry._replace(is_pruned=True)
            for entry in state.log
        )
        return state._replace(log=log, snapshots=snapshots)

    def _renew(self, state: State, number: int, own: Process) -> Iterator[tuple[str, State]]:
        if own.renewing is None:
            if own.left and own.renewals < self.renewals and own.version is not None and own.at != "releasing":
                new = Lease(number, (number, own.renewals + 1), None, own.suspect, own.stray)
                renewing = own._replace(renewing=Write(-1, None, own.version, new), renewal_age=0)
                yield from self._offered(state, number, renewing, own.version, new)
            return
        offered = own.renewing.lease
        assert offered is not None
        yield from self._offered(state, number, own, own.renewing.expected, offered)

    def _offered(
        self, state: State, number: int, own: Process, expected: tuple[int, int] | None, new: Lease
    ) -> Iterator[tuple[str, State]]:
        write = Write(-1, None, expected, new)
        after, is_there = self._apply(state, write)
        age = own.renewal_age if Protection.FROM_BEFORE in self.protections else 0
        renewed = own._replace(
            renewing=None, renewal_age=0, renewals=own.renewals + 1, version=new.version, left=max(LIFE - age, 0)
        )
        if not own.left:
            yield "gives the renewal up", _with(state, number, own._replace(at="over", renewing=None, renewal_age=0))
        elif is_there:
            yield "renews the lease", _with(after, number, renewed)
        elif Protection.READ_BACK in self.protections:
            yield "sees that its lease is lost", _with(state, number, own._replace(at="over", renewing=None))
        if state.luck:
            unlucky = state._replace(luck=state.luck - 1)
            if is_there:
                yield "renews, and the answer is lost", _with(after._replace(luck=unlucky.luck), number, own)
            late = unlucky._replace(late=tuple(sorted((*state.late, write), key=repr)))
            yield "renews, late", _with(late, number, own)

    def _offering(self, state: State, number: int, own: Process) -> Iterator[tuple[str, State]]:
        """A write of its own: carried out, with or without an answer, or later; offered again, read, or given up."""
        write = own.offer
        assert write is not None
        if write.entry is not None and not own.left:
            yield "stops, its lease is over", _with(state, number, own._replace(at="over", offer=None))
            return
        after, is_there = self._apply(state, write)
        words = _words(write)
        if is_there:
            yield f"writes {words}", _with(after, number, self._written(own, write))
        else:
            yield f"is refused {words}", _with(state, number, self._refused(own))
        if state.luck:
            unlucky = state._replace(luck=state.luck - 1)
            undecided = own._replace(tries=own.tries)
            late = unlucky._replace(late=tuple(sorted((*state.late, write), key=repr)))
            yield f"offers {words}, late", self._undecided(late, number, undecided)
            if is_there:
                yield (
                    f"writes {words}, and the answer is lost",
                    self._undecided(after._replace(luck=unlucky.luck), number, undecided),
                )
        if write.entry is not None:  # a life of a store ends with what can't be found out
            yield f"gives {words} up", _with(state, number, own._replace(at="done", suspect=True, offer=None))
        elif own.at == "taking":
            yield "gives the lease up", _with(state, number, own._replace(at="over", offer=None))

    def _undecided(self, state: State, number: int, own: Process) -> State:
        write = own.offer
        assert write is not None
        if write.entry is not None and Protection.UNDECIDED not in self.protections and own.at == "appending":
            empty = write.at >= len(state.log)
            if empty:  # then it hasn't been written, and something else may be
                return _with(state, number, own._replace(at="fenced", offer=None, tries=own.tries + 1))
        if write.lease is not None and Protection.READ_BACK not in self.protections and own.at == "taking":
            return _with(state, number, self._written(own, write))
        return _with(state, number, own)

    def _written(self, own: Process, write: Write) -> Process:
        own = own._replace(offer=None)
        if write.lease is not None:
            if own.at == "releasing":
                return _OVER
            age = own.age if Protection.FROM_BEFORE in self.protections else 0
            lease = write.lease
            return own._replace(
                at="held",
                age=0,
                left=max(LIFE - age, 0),
                held_for=0,
                version=lease.version,
                suspect=lease.suspect,
                stray=lease.stray,
            )
        assert write.entry is not None
        kind = write.entry.kind.rstrip("'")
        own = own._replace(end=write.at, tries=0)
        if kind == "F":
            return own._replace(at="fenced")
        if kind == "I":
            return own._replace(at="to send", run="open")
        return own._replace(at="done", run="done")  # also after what changes nothing of the run

    def _refused(self, own: Process) -> Process:
        if own.at == "taking":
            return Process()  # it looks again
        if own.at == "fencing":
            return own._replace(at="held", suspect=True, offer=None)
        return own._replace(at="over", offer=None)


_OVER = Process(at="over")


def _with(state: State, number: int, process: Process) -> State:
    if process.at == "over":  # nothing of it matters any more
        process = _OVER
    elif process.at not in ("new", "watching", "taking", "held", "fencing", "fenced"):
        process = process._replace(held_for=0)
    processes = state.processes
    return state._replace(processes=(*processes[:number], process, *processes[number + 1 :]))


def _sent(state: State, within: int) -> State:
    return state._replace(requests=tuple(sorted((*state.requests, within))))


def _words(write: Write) -> str:
    if write.entry is not None:
        return f"{write.entry.kind}{write.at} of {_name(write.entry.writer)}"
    assert write.lease is not None
    return f"the lease for {_name(write.lease.owner)}"


def _name(number: int) -> str:
    return "ABC"[number] if number >= 0 else "an earlier holder"
