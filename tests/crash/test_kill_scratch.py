"""SIGKILL while requests are put aside on disk: the next command clears the folder, and no command clears another's."""

from __future__ import annotations

import signal

from tests.support.command import Checkout, ended
from tests.support.turnstile import Hold, Turnstile, is_trigger
from tests.support.workbench import group, run
from wfdeploy.operations.parallel.aside import FEW


def test_the_folder_of_a_killed_apply_is_cleared_by_the_next_command(checkout: Checkout, gate: Turnstile) -> None:
    checkout.write(group("g", [run(f"r{n}", body={"n": n}) for n in range(FEW + 100)]))
    gate.hold = lambda request: Hold.REQUEST if is_trigger(request) else None
    with ended(checkout.start("apply", "--yes")) as child:
        gate.wait_held()
        (folder,) = checkout.root.glob("wfdeploy-scratch-*")
        content = sorted(folder.rglob("*"))
        assert content
        assert checkout.run("validate").code == 0
        assert sorted(folder.rglob("*")) == content, "it is in use"
        assert child.kill().code == -signal.SIGKILL
    gate.release(lets_pass=False)
    assert sorted(folder.rglob("*")) == content
    assert checkout.run("validate").code == 0
    assert not folder.exists()
