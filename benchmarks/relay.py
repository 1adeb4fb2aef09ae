"""A path through the network that is as long as wanted: `python -m benchmarks.relay PORT`.

It passes connections on to a port of this machine. Each piece arrives half of the round trip after it came, however
many are under way: latency, and no limit of the throughput. A connection's first bytes take a round trip more, as its
handshake would. It prints its port, answers each line of its input with a line, and ends with it:

    delay MS    make this the round trip of later connections
    counts      tell what went by since this was last asked, as JSON
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field

_PIECE_BYTES = 256 * 1024


@dataclass(slots=True)
class Counts:
    """What went by."""

    connections: int = 0

    exchanges: int = 0
    """Requests that came first on a connection, or after an answer: round trips, without those of the handshakes."""

    up_bytes: int = 0

    down_bytes: int = 0


@dataclass(slots=True)
class Relay:
    """The path to a port of this machine."""

    port: int

    delay_s: float = 0.0
    """Of a round trip."""

    counts: Counts = field(default_factory=Counts)

    _open: set[asyncio.Task[None]] = field(default_factory=set)
    """The loop itself may forget a task that waits."""

    def accept(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        """Pass one connection on, until both ends have closed it."""
        task = asyncio.get_running_loop().create_task(self._pass_both(client, answers))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _pass_both(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        server, requests = await asyncio.open_connection("127.0.0.1", self.port, limit=_PIECE_BYTES)
        self.counts.connections += 1
        delay_s, is_turn = self.delay_s, True

        def up(size: int) -> None:
            nonlocal is_turn
            self.counts.exchanges += is_turn
            self.counts.up_bytes += size
            is_turn = False

        def down(size: int) -> None:
            nonlocal is_turn
            self.counts.down_bytes += size
            is_turn = True

        async with asyncio.TaskGroup() as group:
            group.create_task(_pass_on(client, requests, delay_s / 2, delay_s, up))
            group.create_task(_pass_on(server, answers, delay_s / 2, 0.0, down))


async def _pass_on(
    source: asyncio.StreamReader,
    target: asyncio.StreamWriter,
    delay_s: float,
    handshake_s: float,
    count: Callable[[int], None],
) -> None:
    loop = asyncio.get_running_loop()
    arrives_at = loop.time() + handshake_s + delay_s  # never before what came earlier
    on_its_way: deque[bytes] = deque()  # timers of the same moment go off in any order

    def arrive() -> None:
        if data := on_its_way.popleft():
            target.write(data)
        else:
            target.close()

    with suppress(OSError):
        while data := await source.read(_PIECE_BYTES):
            count(len(data))
            if delay_s:
                arrives_at = max(arrives_at, loop.time() + delay_s)
                on_its_way.append(data)
                loop.call_at(arrives_at, arrive)
            else:
                target.write(data)
    on_its_way.append(b"")  # the end
    loop.call_at(max(arrives_at, loop.time() + delay_s), arrive)


async def _serve(port: int) -> None:
    relay = Relay(port)
    server = await asyncio.start_server(relay.accept, "127.0.0.1", 0, limit=_PIECE_BYTES)
    print(server.sockets[0].getsockname()[1], flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        answer = ""
        match line.split():
            case ["delay", ms]:
                relay.delay_s = float(ms) / 1000
            case ["counts"]:
                counts, relay.counts = relay.counts, Counts()
                answer = json.dumps(asdict(counts))
        print(answer, flush=True)


@dataclass(frozen=True, slots=True)
class RunningRelay:
    """A relay in a process of its own."""

    port: int

    _process: subprocess.Popen[str]

    def delay(self, ms: float) -> None:
        """Set the round trip of later connections."""
        self._ask(f"delay {ms}")

    def counts(self) -> Counts:
        """What went by since this was last called."""
        return Counts(**json.loads(self._ask("counts")))

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextmanager
def running(port: int) -> Iterator[RunningRelay]:
    """A relay to a port of this machine, for as long as it is needed."""
    command = [sys.executable, "-m", "benchmarks.relay", str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield RunningRelay(int(process.stdout.readline()), process)
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    asyncio.run(_serve(parser.parse_args().port))
