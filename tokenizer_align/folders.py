"""Private folders: where files are kept from one process to the next that nobody else may write.

Place in the walk: below `jit` (machine code) and `store` (tables of vocabularies), which keep their files there.
A folder is created 0700, and refused when it is owned by somebody else, writable by others, or a link.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["is_private", "make_private", "private_folder"]


def private_folder(name: str) -> Path | None:
    """The first folder of that name that exists or can be made and is ours alone; None where there is none.

    `private_folder("numba")` is `gcd-decoding/numba` in the user's cache folder (`~/.cache` on Linux), or, where that
    cannot be, as in containers without HOME, `gcd-decoding-numba-<uid>` in the temporary folder.
    """
    return next((folder for folder in _candidates(name) if make_private(folder)), None)


def _candidates(name: str) -> Iterator[Path]:
    import platformdirs

    cache = Path(platformdirs.user_cache_dir("gcd-decoding", appauthor=False)) / name
    if cache.is_absolute():
        yield cache
    yield Path(tempfile.gettempdir()) / f"gcd-decoding-{name}-{_user_id()}"


def make_private(folder: Path) -> bool:
    """Whether `folder` is there, or could be made, and is ours alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return is_private(folder)
    except OSError:
        return False


def is_private(folder: Path) -> bool:
    """Whether `folder` is a real folder, owned by this user, that nobody else can write."""
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode):
        return False
    if _user_id() is None:  # Windows: folders in the user's profile are private by their access list
        return True
    return info.st_uid == _user_id() and not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _user_id() -> int | None:
    return os.getuid() if hasattr(os, "getuid") else None
