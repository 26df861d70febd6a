"""ConstraintCache: what requests want -> Constraints, compiled once, off the event loop, within a time limit.

Place in the walk: between `gcd.serve.wanted` and the step loop. A thread cannot be stopped: a grammar that is overdue
is compiled to its end (`grammars.limits` bounds it) and kept, and occupies one of the few threads until then.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeAlias

from gcd.errors import RequestError, ServerBusy

if TYPE_CHECKING:
    from grammars.ir import Grammar
    from tokenizer_align.constraint import Constraint
    from tokenizer_align.vocabulary import Vocabulary

__all__ = ["ConstraintCache", "Goal"]

Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a request wants: a `key` that is equal only for equal texts, the grammar, and the last assertion.

    `to_grammar` may raise GrammarError, which is about the field `param` of the request. `check` raises
    ValidationFailed. `schema` is the JSON Schema, where it is one that the prompt is to have.
    """

    key: str
    param: str
    to_grammar: Callable[[], Grammar]
    check: Callable[[str], object] | None = None
    schema: dict[str, object] | bool | str | None = None


class ConstraintCache:
    """The last used `kept` constraints of one vocabulary, by the text and the options of what was wanted.

    `threads` compile at once, at most `queue` grammars wait for them or are being compiled.
    """

    def __init__(
        self, vocabulary: Vocabulary, *, kept: int = 256, seconds: float = 30.0, threads: int = 2, queue: int = 256
    ) -> None:
        self.vocabulary, self.kept, self.seconds, self.threads, self.queue = vocabulary, kept, seconds, threads, queue
        self.hits = self.misses = 0
        self.compiled_seconds = 0.0
        self._kept: OrderedDict[Key, Constraint] = OrderedDict()
        self._pending: dict[Key, Future[Constraint]] = {}
        self._work: SimpleQueue[tuple[Key, Goal, Future[Constraint]]] = SimpleQueue()
        self._workers = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    async def get(self, goal: Goal) -> Constraint:
        """The constraint of a goal. Raises what its grammar raises; RequestError when that takes too long."""
        key = (goal.key, self.vocabulary.content_hash)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                self.hits += 1
                return self._kept[key]
            pending = self._pending.get(key) or self._begin(key, goal)
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(pending)), self.seconds)
        except TimeoutError:
            if not pending.running():
                raise self._busy() from None
            raise RequestError(
                f"what is wanted takes more than {self.seconds:g} s to compile: simplify it, or send it again later, "
                "when it may be ready",
                param=goal.param,
                code="compile_timeout",
            ) from None

    def _begin(self, key: Key, goal: Goal) -> Future[Constraint]:
        """Queue a grammar; equal requests that come meanwhile wait for the same one."""
        if len(self._pending) >= self.queue:
            raise self._busy()
        self.misses += 1
        pending: Future[Constraint] = Future()
        self._pending[key] = pending
        self._work.put((key, goal, pending))
        if self._workers < min(self.threads, len(self._pending)):
            self._workers += 1
            # daemons, so that the end of the server waits for no grammar
            threading.Thread(target=self._compile_all, name="gcd-compile", daemon=True).start()
        return pending

    def _busy(self) -> ServerBusy:
        return ServerBusy(
            f"{len(self._pending)} grammars wait to be compiled: try again later", code="compiling", status=503
        )

    def _compile_all(self) -> None:
        while True:
            key, goal, pending = self._work.get()
            pending.set_running_or_notify_cancel()
            begun = time.perf_counter()
            try:
                constraint = self._compile(goal)
            except Exception as error:
                with self._lock:
                    del self._pending[key]
                pending.set_exception(error)
                continue
            with self._lock:
                self.compiled_seconds += time.perf_counter() - begun
                self._kept[key] = constraint
                del self._pending[key]
                while len(self._kept) > self.kept:
                    self._kept.popitem(last=False)
            pending.set_result(constraint)

    def _compile(self, goal: Goal) -> Constraint:
        """The constraint with its first mask and its costs, so that the step loop waits for neither."""
        from grammars.compile import compile_grammar
        from tokenizer_align.constraint import align

        constraint = align(compile_grammar(goal.to_grammar()), self.vocabulary)
        constraint.mask(constraint.start)
        constraint.min_tokens_to_end(constraint.start)
        return constraint
