"""`python -m wfdeploy` whose leases live for seconds instead of minutes, so that a test can outlive one.

`SHORT_LEASE=<seconds>`: how long a lease lives. All else that a tenure waits for is shortened in proportion, and a
snapshot is left after a few entries, so that pruning happens. Nothing but these figures differs from the program.
"""

from __future__ import annotations

import os
import sys

SNAPSHOT_AFTER = 3

REQUEST_S = 1.0


def main() -> int:
    """Shorten the lease, then be `wfdeploy`."""
    life_s = float(os.environ["SHORT_LEASE"])

    from wfdeploy.sharedlog import opening
    from wfdeploy.state.shared import backend, lease

    # The values of keyword parameters were taken when the functions were defined.
    for function, parameter, seconds in (
        (backend.SharedBackend.__init__, "life_s", life_s),
        (opening.open_backend, "request_s", REQUEST_S),
    ):
        defaults = function.__kwdefaults__
        assert defaults is not None
        assert parameter in defaults
        defaults[parameter] = seconds
    for module, name, value in (
        (lease, "LIFE_S", life_s),
        (lease, "_TRIED_AGAIN_S", life_s / 60),
        (lease, "_LOOKED_AT_AGAIN_S", life_s / 60),
        (backend, "SNAPSHOT_AFTER", SNAPSHOT_AFTER),
    ):
        assert hasattr(module, name), name
        setattr(module, name, value)

    from wfdeploy.__main__ import main as wfdeploy

    return wfdeploy()


if __name__ == "__main__":
    sys.exit(main())
