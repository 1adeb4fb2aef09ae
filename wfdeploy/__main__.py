"""`wfdeploy` and `python -m wfdeploy`."""

from __future__ import annotations

import gc
import os
import sys


def tame_collector() -> None:
    """Have the garbage collector look less often: most of what a command makes lives until it ends, and by default it
    would be looked through again and again, for a tenth of the time of a large apply."""
    gc.set_threshold(50_000, 20, 100)


def open_standard_streams() -> None:
    """Put the null device where standard input, output or error is closed (`>&-`), and have reads and writes wait.

    Otherwise the next file that is opened, the state too, would get its number, and with it whatever is written there.
    A pipe that another program (Node.js, say) set to not wait would lose what its reader isn't ready for.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            if not os.get_blocking(number):
                os.set_blocking(number, True)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - a descriptor


def main() -> int:
    """Run the command line of this process; returns its exit code."""
    try:
        return _main()
    except KeyboardInterrupt:  # before there is anything to interrupt, or after
        return 130


def _main() -> int:
    open_standard_streams()
    tame_collector()  # before the imports: what they make lives until the end, too

    from wfdeploy.cli.error_handler import run
    from wfdeploy.cli.output import App, Output

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
