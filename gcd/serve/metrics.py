"""Metrics: what a server counts, as the text that Prometheus reads. No labels are made of what requests say."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gcd.serve.engine import Engine

__all__ = ["Metrics"]


@dataclass(slots=True)
class Metrics:
    """Counts since the server was started."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    prompt_tokens: int = 0
    generated_tokens: int = 0
    disconnects: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, endpoint: str, status: int) -> None:
        """A request has been answered."""
        with self._lock:
            self.requests[endpoint, status] += 1

    def render(self, engine: Engine) -> str:
        """All of it, in Prometheus's text format 0.0.4.

        >>> Metrics().render(engine).splitlines()[0]
        '# HELP gcd_requests_total Requests answered.'
        """
        loop, cache = engine.loop, engine.constraints
        with self._lock:
            requests = sorted(self.requests.items())
        lines = ["# HELP gcd_requests_total Requests answered.", "# TYPE gcd_requests_total counter"]
        lines += [f'gcd_requests_total{{endpoint="{e}",status="{s}"}} {n}' for (e, s), n in requests]
        for name, kind, help_text, value in (
            ("prompt_tokens_total", "counter", "Tokens of prompts.", self.prompt_tokens),
            ("generated_tokens_total", "counter", "Tokens of finished texts.", self.generated_tokens),
            ("disconnects_total", "counter", "Clients that went away before their answer.", self.disconnects),
            ("steps_total", "counter", "Steps of the loop.", loop.steps),
            ("texts_running", "gauge", "Texts in the making.", loop.running),
            ("texts_waiting", "gauge", "Texts that wait for a place.", loop.waiting),
            ("constraint_hits_total", "counter", "Grammars that were at hand.", cache.hits),
            ("constraint_misses_total", "counter", "Grammars that were compiled.", cache.misses),
            ("constraint_compile_seconds_total", "counter", "Time spent on that.", round(cache.compiled_seconds, 6)),
            ("constraints", "gauge", "Grammars that are kept.", len(cache)),
        ):
            lines += [f"# HELP gcd_{name} {help_text}", f"# TYPE gcd_{name} {kind}", f"gcd_{name} {value}"]
        return "\n".join(lines) + "\n"
