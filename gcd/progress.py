"""A line on stderr that says how far a generation has come, for whoever asks with `progress=True`."""

from __future__ import annotations

import sys
import time

__all__ = ["Progress"]

INTERVAL = 0.1
"""Seconds between two drawings of the line."""


class Progress:
    """`12 of 20 texts, 340 tokens, 21.4 tokens/s`, drawn over itself; nothing when it is not `shown`."""

    def __init__(self, texts: int, *, shown: bool) -> None:
        self.texts, self.shown = texts, shown
        self.started = time.monotonic()
        self.drawn = 0.0

    def update(self, *, done: int, tokens: int) -> None:
        """Draw the line, unless it was drawn a moment ago; the last line is drawn always and stays."""
        now, last = time.monotonic(), done == self.texts
        if not self.shown or (now - self.drawn < INTERVAL and not last):
            return
        self.drawn = now
        rate = tokens / max(now - self.started, 1e-9)
        line = f"{done} of {self.texts} texts, {tokens} tokens, {rate:.1f} tokens/s"
        sys.stderr.write(f"\r{line:<60}" + ("\n" if last else ""))
        sys.stderr.flush()
