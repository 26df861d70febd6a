"""warm_up: compiles every kernel on a tiny grammar, so that the first user does not wait for it.

Place in the walk: beside it. Importing never compiles; `gcd warm-up`, servers and benchmarks call this and say so.
Machine code is kept on disk (`tokenizer_align.jit`), so that all but the first call after an installation are short.
"""

from __future__ import annotations

import numpy as np

__all__ = ["warm_up"]


def warm_up() -> None:
    """Compile all kernels for the argument types that they are used with, and cache them."""
    from grammars.compile import compile_grammar
    from grammars.ir import Bytes, Choice, Grammar, Length, Node, Ref, Repeat, Sequence, char_class
    from tokenizer_align import kernels
    from tokenizer_align.constraint import align
    from tokenizer_align.vocabulary import Vocabulary

    letter = char_class([(97, 122)])
    rules: dict[str, Node] = {
        "start": Choice((Sequence((Bytes(b"("), Ref("start"), Bytes(b")"))), Ref("word"), Ref("many"))),
        "word": Sequence((Length(Repeat(letter), 20, 90), Bytes(b"!"))),
        "many": Sequence((Repeat(Ref("start"), 2, 90), Bytes(b"."))),
    }
    vocabulary = Vocabulary([*(bytes([byte]) for byte in range(256)), b"))", b"ab", b""], eos_token_ids=[258])
    constraint = align(compile_grammar(Grammar(rules)), vocabulary)
    state = constraint.start
    for token in (40, *12 * (257,), 33, 41):
        constraint.mask(state)
        constraint.mask(state, budget=300)
        state = constraint.advance(state, token)
    constraint.forced_text(state)
    table = np.zeros(2, np.int32)
    kernels.rehash(np.zeros(8, np.int32), table, table.copy())
    steps = np.zeros((2, 3), np.int32)
    kernels.rehash_steps(steps, steps.copy())
