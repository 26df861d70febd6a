"""next_bytes: the law of the next byte after a prompt and some text, summed over all their spellings in tokens.

Place in the walk: beside `generate`; no grammar. A model says what the next token is, and a text has many spellings: at
a mid-token end the likeliest next token may be one that began earlier. Every sequence of tokens that spells the bytes
asked for, the last token perhaps reaching beyond, is gone through once (the cover encodings of arXiv 2410.09303); the
law is exact. Their number grows with the length of the text: it is for ends of prompts and for short texts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gcd.boundary import descend, healed
from gcd.compile import vocabulary_of
from gcd.errors import BadLogits, PromptError
from gcd.models.kv_tree import open_tree
from gcd.models.load import as_model
from gcd.prompts import encode_prompt, split_prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gcd.generate import Boundary, OnePrompt
    from gcd.models.protocols import TreeSession
    from tokenizer_align.vocabulary import Vocabulary

__all__ = ["END", "NextBytes", "next_bytes"]

END = 256
"""Where in the law the end of the text stands, behind the 256 bytes."""


@dataclass(frozen=True, slots=True)
class NextBytes:
    """The law of what follows.

    | field              | what it is                                                                              |
    |--------------------|-----------------------------------------------------------------------------------------|
    | `logprobs`         | log P(next byte = b), b = 0 .. 255, and log P(the text ends) at 256                     |
    | `log_mass`         | log P(the bytes asked for come, whatever follows | the tokens that were kept)            |
    | `prompt_token_ids` | the tokens that were kept                                                               |
    | `tail`             | the bytes of the prompt that were taken back, and are part of what was asked for        |
    | `spellings`        | how many sequences of tokens the model was asked behind                                 |

    So log P(the text, then its end) is `log_mass + logprobs[256]`.
    """

    logprobs: tuple[float, ...]
    log_mass: float
    prompt_token_ids: tuple[int, ...]
    tail: bytes
    spellings: int


def next_bytes(
    model: object, prompt: OnePrompt = "", text: str | bytes = "", *, tokenizer: object = None,
    boundary: Boundary = "heal", max_spellings: int = 1000,
) -> NextBytes:  # fmt: skip
    """What comes next after a prompt and a text, byte by byte.

    >>> letters = gcd.Vocabulary([b"a", b"b", b"ab", b""], eos_token_ids=[3])
    >>> law = gcd.next_bytes(gcd.ScriptedLM([0.5, 0.125, 0.25, 0.125], eos_token_ids=[3]), "", "a", tokenizer=letters)
    >>> [round(math.exp(law.logprobs[place]), 3) for place in (97, 98, 256)]
    [0.5, 0.417, 0.083]

    `boundary="heal"` takes back the last tokens of the prompt, where longer ones could stand, and asks for their bytes
    instead; "token" keeps them. Tokens without text, but for EOS, have no part in the law. Raises PromptError where
    the model would have to be asked behind more than `max_spellings` sequences, and BadLogits.
    """
    lm = as_model(model, tokenizer)
    tokenizer = tokenizer if tokenizer is not None else getattr(lm, "tokenizer", None)
    vocabulary = vocabulary_of(tokenizer, model=lm)
    (one, *more), _ = split_prompts(prompt)
    if more:
        raise ValueError("the next byte is that of one prompt: call gcd.next_bytes once for each")
    kept, tail = encode_prompt(one, lm, tokenizer), b""
    if boundary == "heal":
        kept, tail = healed(kept, lm, vocabulary)
    data = tail + (text.encode() if isinstance(text, str) else bytes(text))
    session = open_tree(lm, kept)
    parts: list[NDArray[np.float64]] = []
    todo: list[tuple[tuple[int, ...], int, float]] = [((), 0, 0.0)]
    asked = 0
    while todo:
        token_ids, position, log_p = todo.pop()
        asked += 1
        if asked > max_spellings:
            raise PromptError(
                f"the {len(data)} bytes asked for have more than {max_spellings:,} spellings in tokens: give a shorter "
                "text, or raise max_spellings="
            )
        row = log_p + _row(session, token_ids, vocabulary)
        parts.append(_beyond(row, data[position:], vocabulary))
        todo += _within(row, token_ids, data, position, vocabulary)
    law = np.logaddexp.reduce(np.stack(parts), axis=0)
    log_mass = float(np.logaddexp.reduce(law))
    if log_mass > -math.inf:
        law = law - log_mass
    return NextBytes(tuple(law.tolist()), log_mass, kept, tail, asked)


def _row(session: TreeSession, token_ids: tuple[int, ...], vocabulary: Vocabulary) -> NDArray[np.float64]:
    import torch

    from gcd.sampling.logits import diagnose

    logits = session.logits(token_ids).detach().double().cpu()
    if not bool(logits.amax().isfinite()):
        problem, hint = diagnose(logits, torch.ones(len(logits), dtype=torch.bool))
        text = vocabulary.decode(token_ids).decode("utf-8", "replace")
        raise BadLogits(problem, hint, step=len(token_ids), text=text)
    return logits.log_softmax(dim=-1).numpy()


def _beyond(row: NDArray[np.float64], left: bytes, vocabulary: Vocabulary) -> NDArray[np.float64]:
    """log of the mass of tokens that begin with what is left and go on, by the byte that follows; (257,)."""
    law, trie = np.full(END + 1, -math.inf), vocabulary.trie
    node = descend(trie, left)
    if not left:
        law[END] = np.logaddexp.reduce(row[list(vocabulary.eos_token_ids)])
    if node is None:
        return law
    children = trie.children
    for place in range(int(children.start[node + 1]), int(children.start[node + 2])):
        child = int(children.node[place])
        tokens = trie.token_ids[trie.tok_start[child] : trie.tok_start[trie.end[child]]]
        law[children.byte[place]] = np.logaddexp.reduce(row[tokens])
    return law


def _within(
    row: NDArray[np.float64], token_ids: tuple[int, ...], data: bytes, position: int, vocabulary: Vocabulary
) -> Sequence[tuple[tuple[int, ...], int, float]]:
    """The sequences that are longer by one token which ends within the data, or at its end."""
    found, trie = [], vocabulary.trie
    for end in range(position + 1, len(data) + 1):
        node = descend(trie, data[position:end])
        if node is None:
            break
        for token in trie.token_ids[trie.tok_start[node] : trie.tok_end[node]].tolist():
            if row[token] > -math.inf:
                found.append(((*token_ids, token), end, float(row[token])))
    return found
