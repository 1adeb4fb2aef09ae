"""`wfdeploy` and `python -m wfdeploy`."""

from __future__ import annotations

import gc
import os
import sys


def tame_collector() -> None:
    """Have the garbage collector look less often: most of what a command makes lives until it ends, and by default it
    would be looked through again and again, for a tenth of the time of a large apply."""
    gc.set_threshold(50_000, 20, 100)


def main() -> int:
    """Run the command line of this process; returns its exit code."""
    tame_collector()  # before the imports: what they make lives until the end, too

    from wfdeploy.cli.app import App
    from wfdeploy.cli.gate import run
    from wfdeploy.cli.output import Output

    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # A character that the terminal's encoding lacks is shown as an escape; it is no reason to fail.
            reconfigure(errors="backslashreplace")
    output = Output(stdout=sys.stdout, stderr=sys.stderr, environ=os.environ)
    try:
        return run(sys.argv[1:], App(output=output, environ=os.environ))
    finally:
        # The interpreter looks for garbage once more as it ends: what is frozen is left out. The process's memory goes
        # back as a whole anyway.
        gc.freeze()


if __name__ == "__main__":
    sys.exit(main())
