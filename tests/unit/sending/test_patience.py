"""A loop that sleeps hears signals."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
from types import FrameType

from wfdeploy.sending.patience import signal_wakeup


def test_a_signal_is_there_to_wake_a_loop_that_is_about_to_sleep() -> None:
    """The handler was called before the loop looks at its sockets: what keeps it from sleeping is the signal itself."""
    heard: list[int] = []

    def handler(number: int, _: FrameType | None) -> None:
        heard.append(number)

    async def work() -> bool:
        before = signal.signal(signal.SIGUSR1, handler)
        try:
            loop = asyncio.get_running_loop()
            woken = loop.create_future()
            (key,) = [key for key in watched(loop) if key not in own]
            with select.epoll() as poll:
                poll.register(key, select.EPOLLIN)
                assert poll.poll(0) == []
                os.kill(os.getpid(), signal.SIGUSR1)
                woken.set_result(bool(poll.poll(5)))
            return bool(await woken)
        finally:
            signal.signal(signal.SIGUSR1, before)

    def watched(loop: asyncio.AbstractEventLoop) -> list[int]:
        return [key.fd for key in loop._selector.get_map().values()]  # type: ignore[attr-defined]

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        own = watched(loop)
        with signal_wakeup(loop):
            assert runner.run(work())
        assert watched(loop) == own
    assert heard == [signal.SIGUSR1]
    assert signal.set_wakeup_fd(-1) == -1


def test_elsewhere_than_in_the_main_thread_it_does_nothing() -> None:
    done: list[int] = []

    def run() -> None:
        with asyncio.Runner() as runner, signal_wakeup(runner.get_loop()):
            done.append(runner.run(asyncio.sleep(0, 1)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert done == [1]
