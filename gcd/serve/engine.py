"""Engine: a model with its tokenizer, its step loop and its constraints, behind the endpoints.

Place in the walk: Goal × Ask × prompt -> Pieces. Everything that can be wrong with a request is found before its texts
are queued.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from gcd.compile import vocabulary_of
from gcd.errors import BadLogits, RequestError, ServerBusy, VocabularyMismatch
from gcd.models.load import as_model
from gcd.serve.ask import Ask
from gcd.serve.constraints import ConstraintCache, Goal
from gcd.serve.formats import Layout
from gcd.serve.loop import Job, StepLoop
from gcd.serve.metrics import Metrics
from gcd.serve.settings import Settings
from gcd.serve.text import Free, Piece, ServedRow, Text, Thoughts

if TYPE_CHECKING:
    from tokenizer_align.constraint import Constraint

__all__ = ["Engine"]

PLAIN = Layout()


class Engine:
    """What a server answers with; `start` it, await `ready`, `close` it. `when_warm` is called when it can, or cannot.

    `model` is whatever `gcd.generate` takes, with `tokenizer` where it has none; `name` is what requests call it.
    """

    def __init__(
        self, model: object, *, tokenizer: object = None, name: str = "gcd", settings: Settings | None = None
    ) -> None:
        self.model = as_model(model, tokenizer)
        self.tokenizer: Any = tokenizer if tokenizer is not None else getattr(self.model, "tokenizer", None)
        self.name, self.settings, self.created = name, settings or Settings(), int(time.time())
        self.vocabulary = vocabulary_of(self.tokenizer, model=self.model)
        if self.vocabulary.size > self.model.vocab_size:
            raise VocabularyMismatch(
                f"the tokenizer has {self.vocabulary.size:,} tokens and the model's logits are "
                f"{self.model.vocab_size:,} wide: they do not belong together"
            )
        limits = self.settings
        self.constraints = ConstraintCache(
            self.vocabulary,
            kept=limits.max_constraints,
            seconds=limits.compile_seconds,
            threads=limits.compile_threads,
            queue=limits.max_compiles,
        )
        self.loop = StepLoop(self.model, max_rows=limits.max_rows, max_queue=limits.max_queue)
        self.metrics = Metrics()
        self.error: Exception | None = None
        self.when_warm: Callable[[], None] | None = None
        self._ready = threading.Event()
        self._free = Free(self.vocabulary)

    @property
    def ready(self) -> bool:
        """Whether the kernels are compiled and the model has answered once."""
        return self._ready.is_set()

    def start(self) -> None:
        """Begin to serve, once everything is warm: in threads of its own."""
        threading.Thread(target=self._warm_up, name="gcd-warm-up", daemon=True).start()

    def close(self) -> None:
        """Stop after the current forward pass; whoever waits for a text gets an error."""
        self._ready.clear()
        self.loop.close()

    def _warm_up(self) -> None:
        from gcd.generate import Request
        from gcd.run import run
        from tokenizer_align.warm_up import warm_up

        try:
            warm_up()
            start = getattr(self.model, "bos_token_id", None)
            prompt = [0 if start is None else start]
            with suppress(BadLogits):  # a model that would not say anything there may say something to a request
                run(
                    Request(
                        model=self.model, tokenizer=self.vocabulary, prompt=prompt, regex="(?s:.*)", max_new_tokens=2
                    )
                )
        except Exception as error:
            self.error = error
        else:
            self.loop.start()
            self._ready.set()
        if self.when_warm is not None:
            self.when_warm()

    def check_ready(self) -> None:
        """Raises ServerBusy before the warm-up has ended, and after `close`."""
        if self.error is not None:
            raise RequestError(f"the model could not be warmed up: {self.error}", code="not_ready", status=503)
        if not self.ready:
            raise ServerBusy("the server is not ready", code="not_ready", status=503)

    async def pieces(
        self,
        prompt_ids: Sequence[int],
        ask: Ask,
        goal: Goal | None,
        *,
        layout: Layout = PLAIN,
        thoughts: int | None = None,
    ) -> AsyncIterator[Piece]:
        """The pieces of the texts, as they come where the ask streams; raises the error of a text that has one.

        `thoughts` is the most tokens of what the model thinks before it answers, where the layout has that.

        A caller that goes away (`aclose`, cancellation) frees the places of its texts before the next step.
        """
        constraint = None if goal is None else await self.constraints.get(goal)
        budget = self._budget(prompt_ids, ask, constraint)
        queue: asyncio.Queue[Piece] = asyncio.Queue()
        running = asyncio.get_running_loop()

        def notify(piece: Piece) -> None:
            running.call_soon_threadsafe(queue.put_nowait, piece)

        job = Job(prompt_ids, self._texts(ask, constraint, budget, layout, thoughts), notify, streams=ask.streams)
        self.loop.submit(job)
        self.metrics.prompt_tokens += len(prompt_ids)
        open_texts = ask.n
        try:
            while open_texts:
                piece = await queue.get()
                if piece.error is not None:
                    raise piece.error
                if piece.finish is not None:
                    open_texts -= 1
                    self.metrics.generated_tokens += piece.tokens
                yield piece
        finally:
            if open_texts:
                self.loop.cancel(job)

    def _texts(
        self, ask: Ask, constraint: Constraint | None, budget: int, layout: Layout, thoughts: int | None
    ) -> list[Text]:
        """One text a sample, by the random numbers that `gcd.generate` would give it."""
        seed = secrets.randbits(32) if ask.seed is None else ask.seed
        used = cast("Constraint", self._free if constraint is None else constraint)
        calls = layout.calls
        ends = self.vocabulary.eos_token_ids
        marks = {
            token_id: name.encode()
            for name, token_id in self.vocabulary.special_tokens.items()
            if token_id not in ends and any(name in mark for mark in layout.marks)
        }
        return [
            Text(
                index=i,
                row=ServedRow(used, budget, np.random.default_rng((seed, 0, i)), used.start),
                warp=ask.warp,
                free=constraint is None,
                stops=tuple(stop.encode() for stop in ask.stops),
                guard=None if calls is None else calls.tag.encode(),
                leads=calls is not None and calls.leading,
                marks=marks,
                thoughts=_thoughts(layout, thoughts),
                top=ask.top,
            )
            for i in range(ask.n)
        ]

    def _budget(self, prompt_ids: Sequence[int], ask: Ask, constraint: Constraint | None) -> int:
        """The tokens that a text may have, within what the prompt leaves of the model's context."""
        wanted = ask.max_tokens or self.settings.default_tokens
        needed = 1 if constraint is None else constraint.min_tokens_to_end(constraint.start) + 1
        if constraint is not None:
            if ask.max_tokens is None and wanted < needed <= self.settings.max_tokens:
                wanted = min(2 * needed, self.settings.max_tokens)
            constraint.check_budget(wanted)
        context = getattr(self.model, "context_length", None)
        left = wanted if context is None else context - len(prompt_ids)
        if left < needed:
            raise RequestError(
                f"the prompt has {len(prompt_ids):,} tokens and the model's context {context:,}: the {max(left, 0):,} "
                f"that are left do not suffice; {needed:,} would",
                code="context_length_exceeded",
            )
        return int(min(wanted, left))


def _thoughts(layout: Layout, budget: int | None) -> Thoughts | None:
    """The marks of a layout as bytes; None where nothing is thought."""
    thinking = layout.thinking
    if thinking is None:
        return None
    begin, end, opening = (mark.encode() for mark in (thinking.begin, thinking.end, thinking.opening))
    return Thoughts(begin=begin, end=end, opening=opening, opened=layout.opened, budget=budget)
