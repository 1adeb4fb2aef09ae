"""`wfdeploy` and `python -m wfdeploy`."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line of this process; returns its exit code."""
    from wfdeploy.cli.app import App
    from wfdeploy.cli.gate import run
    from wfdeploy.cli.output import Output

    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # A character that the terminal's encoding lacks is shown as an escape; it is no reason to fail.
            reconfigure(errors="backslashreplace")
    output = Output(stdout=sys.stdout, stderr=sys.stderr, environ=os.environ)
    return run(sys.argv[1:], App(output=output, environ=os.environ))


if __name__ == "__main__":
    sys.exit(main())
