"""StepLoop: one thread that owns the model; texts of all requests join and leave between its steps.

Place in the walk: Jobs -> Pieces. Each step is one `extend` of the pool for all texts in the making, then one draw for
each of them, by its own seed, knobs and constraint: a text does not depend on those beside it (but for the last bits
of a batch's floats). Nothing here knows HTTP: a job says where its pieces go.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

from gcd.errors import ServerBusy
from gcd.sampling.logits import Warp
from gcd.sampling.masked import take_logits
from gcd.serve.pool import Pool, open_pool
from gcd.serve.text import Piece, Text, jump

if TYPE_CHECKING:
    from gcd.models.protocols import LanguageModel

__all__ = ["Job", "StepLoop"]

Notify: TypeAlias = Callable[[Piece], None]


@dataclass(slots=True, eq=False)
class Job:
    """The texts of one request. `notify` gets their pieces, in the loop's thread: whole texts unless it `streams`."""

    prompt_ids: Sequence[int]
    texts: Sequence[Text]
    notify: Notify
    streams: bool = False
    cancelled: bool = field(default=False, init=False)


class StepLoop:
    """The loop over a model; `start`, then `submit` and `cancel` from any thread, `close` at the end."""

    def __init__(self, model: LanguageModel, *, max_rows: int = 32, max_queue: int = 256) -> None:
        self.max_rows, self.max_queue = max_rows, max_queue
        self.steps = self.tokens = 0
        self._model = model
        self._pool: Pool = open_pool(model)
        self._wake = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._running: dict[int, tuple[Job, Text]] = {}
        self._keys = count()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="gcd-step-loop", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def running(self) -> int:
        """Texts in the making."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Texts that wait for a place."""
        with self._wake:
            return sum(len(job.texts) for job in self._waiting)

    def submit(self, job: Job) -> None:
        """Queue a job; raises ServerBusy where too many wait, and once the loop is closed."""
        with self._wake:
            if self._closed:
                raise ServerBusy("the server is shutting down", code="shutting_down", status=503)
            waiting = sum(len(other.texts) for other in self._waiting)
            if waiting and waiting + len(job.texts) > self.max_queue:
                raise ServerBusy(f"{waiting} texts are waiting and the queue holds {self.max_queue}: try again later")
            self._waiting.append(job)
            self._wake.notify()

    def cancel(self, job: Job) -> None:
        """Take a job out before the next step; it gets no more pieces."""
        with self._wake:
            job.cancelled = True
            if job in self._waiting:
                self._waiting.remove(job)
            self._wake.notify()

    def close(self) -> None:
        """End the thread after its current step; what is unfinished ends with ServerBusy."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while self._admit():
            try:
                self._step()
            except Exception as error:  # the model failed, or a bug: those who wait are told, the loop goes on
                self._fail(error)
        self._fail(ServerBusy("the server is shutting down", code="shutting_down", status=503))

    def _admit(self) -> bool:
        """Wait for work, let go of what was cancelled, and fill the free places in the order of arrival."""
        with self._wake:
            while not (self._waiting or self._running or self._closed):
                self._wake.wait()
            if self._closed:
                return False
            gone = [key for key, (job, _) in self._running.items() if job.cancelled]
            admitted: list[Job] = []
            taken = len(self._running) - len(gone)
            while self._waiting and taken + len(self._waiting[0].texts) <= self.max_rows:
                admitted.append(self._waiting.popleft())
                taken += len(admitted[-1].texts)
        for key in gone:
            self._leave(key)
        for job in admitted:
            for text in job.texts:
                key = next(self._keys)
                self._pool.join(key, job.prompt_ids)
                self._running[key] = job, text
                text.row.decide(jump(text.row))
                self._pass_on(key)
        return True

    def _step(self) -> None:
        """One forward pass, and what it decides."""
        keys = list(self._running)
        if not keys:
            return
        rows = [self._running[key][1].row for key in keys]
        queues = self._pool.paced(keys, [row.token_ids[row.fed :] for row in rows])
        scored = [row.scored for row in rows]
        logits = self._pool.extend(keys, queues)
        self.steps += 1
        alike: dict[Warp, list[int]] = defaultdict(list)
        for i, key in enumerate(keys):
            alike[self._running[key][1].warp].append(i)
        for warp, places in alike.items():
            take_logits([rows[i] for i in places], [queues[i] for i in places], [logits[i] for i in places], warp, jump)
        for i, key in enumerate(keys):
            self._running[key][1].absorb(logits[i], scored[i])
            self._pass_on(key)

    def _pass_on(self, key: int) -> None:
        """Send what may be sent of a text; one that is finished leaves."""
        job, text = self._running[key]
        if text.row.done and text.finish is None:
            text.absorb()
        if text.finish is not None:
            self.tokens += len(text.row.token_ids)
            self._leave(key)
        if (job.streams or text.finish is not None) and (piece := text.piece()) is not None and not job.cancelled:
            self._tell(job, piece)

    def _tell(self, job: Job, piece: Piece) -> None:
        try:
            job.notify(piece)
        except Exception:  # nobody listens any more
            job.cancelled = True

    def _leave(self, key: int) -> None:
        self._pool.leave(key)
        del self._running[key]

    def _fail(self, error: Exception) -> None:
        """End every text in the making by an error, and with a closed loop those that wait too."""
        with self._wake:
            waiting = list(self._waiting) if self._closed else []
            if self._closed:
                self._waiting.clear()
        failed = [(job, text) for job, text in self._running.values()]
        failed += [(job, text) for job in waiting for text in job.texts]
        self._running.clear()
        self._pool = open_pool(self._model)
        for job, text in failed:
            if not job.cancelled:
                self._tell(job, Piece(text.index, b"", finish="error", tokens=len(text.row.token_ids), error=error))
