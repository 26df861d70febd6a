"""Text: what is sent piece by piece is the text up to its first stop, whatever the tokens are."""

from __future__ import annotations

import os
import random
from typing import Any

import numpy as np
import pytest
from toys import byte_vocabulary

from gcd.sampling.logits import Warp
from gcd.serve.text import Free, ServedRow, Text, Thoughts

ROUNDS = int(os.environ.get("GCD_SERVE_ROUNDS", "1"))
WORDS = [b"ab", b"ba", b"abc", b"aab"]
VOCABULARY = byte_vocabulary(WORDS)
EOS = VOCABULARY.eos_token_ids[0]


def text_of(budget: int, **options: Any) -> Text:
    free: Any = Free(VOCABULARY)
    return Text(index=0, row=ServedRow(free, budget, np.random.default_rng(0), None), warp=Warp(), free=True, **options)


def cut(tokens: list[bytes], stops: list[bytes], guard: bytes | None) -> tuple[bytes, bool]:
    """The twin: token by token, all of the text is looked through for every stop that ends before the guard."""
    data = b""
    for token in tokens:
        data += token
        end = len(data) if guard is None or guard not in data else data.index(guard)
        places = [data[:end].index(stop) for stop in stops if stop in data[:end]]
        if places:
            return data[: min(places)], True
    return data, False


@pytest.mark.parametrize("seed", range(100 * ROUNDS))
def test_a_text_ends_at_its_first_stop(seed: int) -> None:
    rng = random.Random(seed)
    spelled = [*WORDS, b"a", b"b", b"c", b"<"]
    tokens = [rng.choice(spelled) for _ in range(rng.randrange(1, 12))]
    stops = ["".join(rng.choices("abc", k=rng.randrange(1, 4))).encode() for _ in range(rng.randrange(1, 3))]
    guard = b"<" if rng.random() < 0.5 else None
    text = text_of(20, stops=tuple(stops), guard=guard)
    sent = b""
    for token in [*(VOCABULARY.tokens.index(token) for token in tokens), EOS]:
        text.row.decide([token])
        text.absorb()
        piece = text.piece()
        sent += piece.data if piece else b""
        expected, stopped = cut(tokens[: len(text.row.token_ids)], stops, guard)
        assert expected.startswith(sent)
        if text.finish is not None:
            break
    expected, stopped = cut(tokens, stops, guard)
    assert (sent, text.finish) == (expected, "stop")
    assert stopped == (text.row.token_ids[-1] != EOS)


@pytest.mark.parametrize("seed", range(60 * ROUNDS))
def test_stops_are_about_what_is_said(seed: int) -> None:
    """Thoughts, in marks, and what opens the answer are never cut; a guard that leads holds where the answer begins."""
    rng = random.Random(seed)
    spelled = [*WORDS, b"a", b"b", b"c", b"<"]
    opened = rng.random() < 0.5
    opening = rng.choice([b"", b"b:"])
    thought = [rng.choice(spelled) for _ in range(rng.randrange(6))]
    said = [rng.choice(spelled) for _ in range(rng.randrange(1, 9))]
    marks = [[b"(", b"a"] * (not opened), [b")", b"b"], [b"b", b":"] if opening else []]
    tokens = [*marks[0], *thought, *marks[1], *marks[2], *said]
    head = b"".join(tokens[: len(tokens) - len(said)])
    stops = ["".join(rng.choices("abc:", k=rng.randrange(1, 3))).encode() for _ in range(rng.randrange(1, 3))]
    thoughts = Thoughts(begin=b"(a", end=b")b", opening=opening, opened=opened)
    text = text_of(99, stops=tuple(stops), guard=b"<", leads=True, thoughts=thoughts)
    for token in [*(VOCABULARY.tokens.index(token) for token in tokens), EOS]:
        text.row.decide([token])
        text.absorb()
        if text.finish is not None:
            break
    expected, _ = cut(said, stops, None) if said[0] != b"<" else (b"".join(said), False)
    assert (bytes(text.data), text.finish) == (head + expected, "stop")
    assert text.thought == len(tokens) - len(said) - len(marks[2])


def test_free_text_has_the_length_of_its_budget() -> None:
    text = text_of(3)
    for size in (1, 2, 3):
        assert text.finish is None
        text.row.decide([97])
        text.absorb()
        assert len(text.row.token_ids) == size
    assert (text.finish, bytes(text.data), text.row.done) == ("length", b"aaa", True)
