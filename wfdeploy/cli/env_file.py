"""`--env-file`: variables from a file in the .env format. What the process already has wins, as everywhere."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from wfdeploy.cli.named import not_as_named
from wfdeploy.errors import InvalidInput, UsageError
from wfdeploy.files.bounds import Bounds, OutOfBoundsError
from wfdeploy.files.reading import read_named
from wfdeploy.model.diagnostic import Diagnostic, Place

_MOST_BYTES = 1_000_000


def with_env_file(environ: Mapping[str, str], name: str, *, folder: Path, bounds: Bounds) -> dict[str, str]:
    """The environment with the variables below it of a file that is named relative to a folder.

    Values are taken as they stand: a `$` in a secret is part of the secret.

    Raises: `UsageError` when the file can't be read; `InvalidInput` for lines that aren't variables.
    """
    from dotenv.parser import parse_stream

    path = folder / name
    try:
        data = read_named(name, folder=folder, bounds=bounds, most=_MOST_BYTES)
        if len(data) > _MOST_BYTES:
            raise OSError(errno.EFBIG, f"it is larger than {_MOST_BYTES:,} bytes")
        text = data.decode("utf-8-sig")
    except OutOfBoundsError as error:
        raise not_as_named("the variables file", path, error) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"the variables file {path} can't be read: {reason}", hint="check --env-file") from error
    values: dict[str, str] = {}
    problems: list[Diagnostic] = []
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            # No excerpt: the line probably holds a secret.
            problems.append(
                Diagnostic(
                    code="env-file-line",
                    message="this line is not NAME=VALUE",
                    place=Place(str(path), binding.original.line),
                    hint="quote values that hold quotes or line breaks",
                )
            )
        elif binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    if problems:
        raise InvalidInput(problems)
    return {**values, **environ}
