"""Git LFS pointers: what stands in place of a large file that was checked out and not fetched.

Source: git-lfs, "docs/spec.md": a pointer is text of less than 1024 bytes, and its first line is `version URL`.
"""

from __future__ import annotations

MAX_BYTES = 1024

CODE = "lfs-pointer"
MESSAGE = "this is a Git LFS pointer, not the file itself"
HINT = "fetch it: git lfs pull (in CI, check out with LFS: `lfs: true` for actions/checkout)"

_VERSIONS = (
    b"version https://git-lfs.github.com/spec/",
    b"version https://hawser.github.com/spec/",
    b"version http://git-media.io/v/",
)


def is_pointer(data: bytes) -> bool:
    """Whether this is the whole content of a pointer. `MAX_BYTES` of a file are enough to tell."""
    return len(data) < MAX_BYTES and data.startswith(_VERSIONS) and b"\noid " in data and b"\nsize " in data
