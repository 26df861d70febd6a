"""Batches: the masks of many states, each of its own grammar, in the rows of one array.

Place in the walk: beside `Constraint`, for engines that serve many requests at once. Rows that are remembered are only
copied. Where several arenas have rows to be made, threads share the arenas: kernels release the GIL, and an arena has
one lock. The caller works too, alone at first: what the pool has not begun by then, it does itself.
"""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from tokenizer_align.states import Arena, Bitmask, State

if TYPE_CHECKING:
    from tokenizer_align.matcher import Matcher

__all__ = ["fill_bitmask", "write_masks"]

_MOST_THREADS = 8  # where nobody says how many: rows are made in bursts, beside a model that wants cores too
_ALONE = 1e-3  # seconds that the caller works alone: where rows are cheap a hand-over costs more than it saves
_INT32 = np.dtype(np.int32)
_NOTHING = np.zeros(0, np.int32)
"""The mask of a row that could not be made."""


def fill_bitmask(
    states: Sequence[State | Matcher],
    out: NDArray[np.int32] | Any,
    *,
    budgets: Sequence[int | None] | None = None,
    threads: int | None = None,
) -> None:
    """Writes the mask of each state, or matcher, into its row of `out`: int32 (n, words), numpy or a CPU torch tensor.

    Each may belong to another constraint. `out` may be wider than a vocabulary, further words become zero, and longer
    than the batch, further rows are left alone; `ValueError` when it is narrower. `budgets` are those of
    `Constraint.mask`. Rows that have to be made are made by up to `threads` threads, of which the caller is one: 1 for
    no others, None for as many as there are cores, at most 8.

    An exception in one row is raised when all others are written; the rows that failed are all zero.

    >>> out = np.zeros((2, 1), np.int32)
    >>> fill_bitmask([first.matcher(), second.start], out)      # of the grammars "ab" and "b" over a, b and EOS
    >>> out
    array([[1],
           [2]], dtype=int32)
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    values = [item if isinstance(item, State) else item.state for item in states]
    words = max((state._arena.leaves.words for state in values), default=0)
    write_masks(values, out, budgets, words, threads)


def write_masks(
    states: Sequence[State],
    out: NDArray[np.int32] | Any,
    budgets: Sequence[int | None] | None,
    words: int,
    threads: int | None = None,
) -> None:
    """`fill_bitmask` for states alone, whose widest mask has that many words."""
    array, count = out if isinstance(out, np.ndarray) else out.numpy(), len(states)
    if array.dtype != _INT32 or array.ndim != 2 or len(array) < count or array.shape[1] < words:
        raise ValueError(f"the bitmask must be int32 of at least ({count}, {words}), not {array.dtype} {array.shape}")
    if budgets is not None and len(budgets) != count:
        raise ValueError(f"{len(budgets)} budgets were given for {count} states")
    masks: list[Bitmask | None] = []
    missing = []
    for row, state in enumerate(states):
        arena, number = state._arena, state._number
        mask = arena.rows.get(number) if budgets is None else arena.known(number, budgets[row])
        if mask is None:
            missing.append(row)
        masks.append(mask)
    errors = _make(states, budgets, masks, missing, threads) if missing else None
    _copy(cast("list[Bitmask]", masks), array)
    if errors:
        raise errors[min(errors)]


def _make(
    states: Sequence[State],
    budgets: Sequence[int | None] | None,
    masks: list[Bitmask | None],
    missing: Sequence[int],
    threads: int | None,
) -> dict[int, Exception]:
    """Makes the missing masks, those of one arena one after the other; returns the errors by row."""
    errors: dict[int, Exception] = {}
    rows_of: dict[Arena, list[int]] = {}
    for row in missing:
        rows_of.setdefault(states[row]._arena, []).append(row)
    waiting = deque(sorted(rows_of.items(), key=lambda item: -len(item[1])))  # no thread begins with many at the end

    def work(until: float = math.inf) -> None:
        """Makes the rows of one arena after the other, for as long as there are any."""
        while waiting and perf_counter() < until:
            try:
                arena, rows = waiting.popleft()
            except IndexError:  # another thread was faster
                return
            for row in rows:
                try:
                    masks[row] = arena.mask(states[row]._number, None if budgets is None else budgets[row])
                except Exception as error:
                    masks[row], errors[row] = _NOTHING, error

    helpers: list[Future[None]] = []
    try:
        if len(waiting) > 1 and threads != 1:
            work(perf_counter() + _ALONE)
            helpers = _begin(work, min(len(waiting), threads or min(_MOST_THREADS, _cores())) - 1)
        work()
    finally:
        waiting.clear()  # where the caller is interrupted
        running = [helper for helper in helpers if not helper.cancel()]
    for helper in running:
        helper.result()
    return errors


def _copy(masks: Sequence[Bitmask], array: NDArray[np.int32]) -> None:
    """Copies masks into the first rows of an array, zeros behind the shorter ones."""
    count, width = len(masks), array.shape[1]
    if count > 1 and array.flags.c_contiguous and sum(map(len, masks)) == count * width:
        np.concatenate(masks, out=array[:count].reshape(-1))
        return
    for row, mask in enumerate(masks):
        array[row, : len(mask)] = mask
        if len(mask) < width:
            array[row, len(mask) :] = 0


def _cores() -> int:
    return getattr(os, "process_cpu_count", os.cpu_count)() or 1  # the former is new in Python 3.13


_pool: ThreadPoolExecutor | None = None
_LOCK = threading.Lock()


def _begin(work: Callable[[], None], helpers: int) -> list[Future[None]]:
    """Hands work to that many threads of the pool, which is made on the first call; to fewer where there are none."""
    global _pool
    begun: list[Future[None]] = []
    if helpers > 0:
        try:
            if _pool is None:
                with _LOCK:
                    _pool = _pool or ThreadPoolExecutor(max(_MOST_THREADS, _cores()), "gcd-masks")
            for _ in range(helpers):
                begun.append(_pool.submit(work))
        except RuntimeError:  # the interpreter ends, or the system has no more threads
            pass
    return begun


def _forget_pool() -> None:
    """In a forked child: the threads of the pool are not there."""
    global _pool, _LOCK
    _pool, _LOCK = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
