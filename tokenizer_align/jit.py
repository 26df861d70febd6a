"""`@kernel`: the one place that decides how hot functions are compiled and where their machine code is kept.

Place in the walk: below everything that loops over tokens or states. Kernels are plain functions on arrays that write
into an `out` argument; this module compiles them on their first call (numba, `nogil`, never `parallel`) and caches the
result on disk. It holds no kernels. With `NUMBA_DISABLE_JIT=1` a kernel stays the Python function that it was.

numba's cache is a pickle: whoever can write it runs code here. It is kept, in this order, in

1. `NUMBA_CACHE_DIR`, the package's own `__pycache__`, or numba's user-wide folder: numba's own order,
2. `gcd-decoding/numba` in the user's cache folder, then `gcd-decoding-numba-<uid>` in the temporary folder, where they
   are ours alone (`tokenizer_align.folders`),
3. nowhere, with one `RuntimeWarning`: every process then compiles anew.

numba alone raises at import in case 2 and 3, which is what read-only containers without HOME are.
"""

from __future__ import annotations

import functools
import hashlib
import threading
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from tokenizer_align.folders import private_folder

__all__ = ["contracted", "inlined", "is_cached", "kernel"]

P = ParamSpec("P")
R = TypeVar("R")

_LOCK = threading.Lock()

_OPTIONS = {"nogil": True, "no_cfunc_wrapper": True}
"""Kernels are never handed to C; without a wrapper for that they compile in three quarters of the time."""


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, compiled by numba on its first call with each combination of argument types.

    Type checkers see the signature of the plain function:

        @kernel
        def count(values: npt.NDArray[np.int32], wanted: int) -> int: ...

        count(np.array([1, 2, 1], dtype=np.int32), 1)  # 2, an int to mypy
    """
    return _compiled(function, _OPTIONS)


def contracted(function: Callable[P, R]) -> Callable[P, R]:
    """The same, where a product that is added at once need not be rounded before: one instruction, and not two.

    That is all: sums keep their order, and NaN and infinity their meaning.
    """
    return _compiled(function, {**_OPTIONS, "fastmath": {"contract"}})


def _compiled(function: Callable[P, R], options: Mapping[str, Any]) -> Callable[P, R]:
    numba = _numba()
    if numba.config.DISABLE_JIT:
        return function
    try:
        compiled = numba.njit(cache=True, **options)(function)
        # Without HOME and without an entry for the user numba takes "~" for a folder of the working directory.
        located = Path(compiled.stats.cache_path).is_absolute()
        _stamp(compiled)
    except RuntimeError:  # "no locator available": none of numba's own places can be written
        located = False
    return cast("Callable[P, R]", compiled if located else _compile_elsewhere(function, options))


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, written out by numba where a kernel calls it: for what has one caller.

    numba compiles a kernel with a copy of all that it calls, however deep; a caller and its only callee are compiled
    twice unless they are one.
    """
    numba = _numba()
    if numba.config.DISABLE_JIT:
        return function
    return cast("Callable[P, R]", numba.njit(inline="always")(function))


def _compile_elsewhere(function: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    """`function` compiled with its cache in a folder of our own, or without a cache."""
    numba, folder = _numba(), private_folder("numba")
    if folder is not None:
        with _LOCK:  # numba reads CACHE_DIR when a dispatcher is made; functions of other libraries must not see ours
            before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
            try:
                compiled = numba.njit(cache=True, **options)(function)
                _stamp(compiled)
                return compiled
            except RuntimeError:
                pass  # the folder cannot be written after all
            finally:
                numba.config.CACHE_DIR = before
    _warn_once()
    return numba.njit(**options)(function)


def _stamp(compiled: Any) -> None:
    """Lets the machine code on disk depend on all files that it is made from.

    numba looks at the age of a function's own file only. Constants from others (the slots of a context, the columns of
    tables) are in the code too, and old ones would lead it to wrong addresses.
    """
    file: Any = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if file is not None:
        file._source_stamp = file._source_stamp, _sources()


def is_cached(compiled: Any) -> bool:
    """Whether the machine code of a kernel is on disk, made from the files as they are; True where none is kept."""
    file: Any = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if file is None:
        return True
    names = [*file._load_index().values()]
    return bool(names) and all(Path(file._cache_path, name).exists() for name in names)


@functools.cache
def _sources() -> str:
    """A hash of the files whose constants and functions are in machine code."""
    here = Path(__file__).parent
    files = [here / name for name in ("context.py", "kernels.py", "leaf_kernels.py", "jit.py")]
    files.append(here.parent / "grammars" / "tables.py")
    return hashlib.sha256(b"".join([file.read_bytes() for file in files if file.exists()])).hexdigest()


def _numba() -> Any:
    """numba, imported when the first kernel is defined (0.4 s), untyped because its types differ between releases."""
    return import_module("numba")


@functools.cache
def _warn_once() -> None:
    warnings.warn(
        "no folder can hold the compiled kernels, so every process compiles them anew (half a minute); "
        "set NUMBA_CACHE_DIR to a folder that only you can write",
        RuntimeWarning,
        stacklevel=5,
    )
