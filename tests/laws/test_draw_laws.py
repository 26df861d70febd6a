"""Draws of lattices have the law that is listed, also over bytes that no single token spells as a character.

Small here; GCD_DRAWS=20000 GCD_DRAW_BLOCKS=20 GCD_REGEXES=50 GCD_POOLED=200 is what was run once.
"""

from __future__ import annotations

import math
import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest
import torch
from block_cases import random_block

import gcd
from gcd.diffusion import Lattice, decode
from gcd.errors import EmptyLanguage

DRAWS = int(os.environ.get("GCD_DRAWS", "2000"))
BLOCKS = int(os.environ.get("GCD_DRAW_BLOCKS", "4"))
REGEXES = int(os.environ.get("GCD_REGEXES", "6"))
POOLED = int(os.environ.get("GCD_POOLED", "0"))
"""Canvases of weighted particles for each model; none here, as each costs hundreds of lattices."""

LETTERS = gcd.Vocabulary([b"a", b"b", b"c", b""], eos_token_ids=[3])
TOYS = {"ends in a": "[abc]*a", "finite": "ab|ba|abc", "repeat": "(ab)+c?"}


def distance(counts: Counter[tuple[int, ...]], law: dict[tuple[int, ...], float]) -> tuple[float, float]:
    """The total variation between draws and a law, and what it is at most, but once in thousands of times."""
    draws = counts.total()
    found = sum(abs(counts[string] / draws - p) for string, p in law.items()) / 2
    return found, sum(math.sqrt(p * (1 - p) / draws) for p in law.values()) / 2 + 2 / math.sqrt(draws)


def listed(lattice: Lattice, most: int = 5000) -> dict[tuple[int, ...], float]:
    """All strings with their share; the lattice's own list is compared with others in `test_lattice_laws.py`."""
    token_ids, logprobs = lattice.k_best(most)
    law = (logprobs - lattice.log_z).exp().tolist()
    assert sum(law) == pytest.approx(1, abs=1e-9)
    return dict(zip(map(tuple, token_ids.tolist()), law, strict=True))


@pytest.mark.parametrize("name", TOYS)
def test_draws_of_toys_have_their_law(name):
    constraint = gcd.compile(regex=TOYS[name], tokenizer=LETTERS)
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(len(name)))
    lattice = Lattice(constraint, logits)
    law = listed(lattice)
    drawn = Counter(map(tuple, lattice.sample(DRAWS, generator=torch.Generator().manual_seed(1)).tolist()))
    assert drawn.keys() <= law.keys()
    found, most = distance(drawn, law)
    assert found < most
    again = lattice.sample(50, generator=torch.Generator().manual_seed(1)).tolist()
    assert again == lattice.sample(50, generator=torch.Generator().manual_seed(1)).tolist()
    cold = Lattice(constraint, logits.double().log_softmax(-1) / 1e-4, normalize=False)
    assert {*map(tuple, cold.sample(50, generator=torch.Generator().manual_seed(2)).tolist())} == {
        tuple(lattice.map()[0].tolist())
    }


def test_draws_of_random_blocks_have_their_law():
    """By `Block.strings`, which shares nothing with the lattice; prints what replays a block."""
    done = 0
    for seed in range(10_000):
        if done == BLOCKS:
            break
        block = random_block(seed)
        strings = {tokens: weight for tokens, weight, _ in block.strings()}
        if not 2 <= len(strings) <= 30:
            continue
        print(f"random_block({seed})")
        log_z = math.log(sum(map(math.exp, strings.values())))
        law = {tokens: math.exp(weight - log_z) for tokens, weight in strings.items()}
        lattice = block.lattice(block.constraint())
        drawn = Counter(map(tuple, lattice.sample(DRAWS, generator=torch.Generator().manual_seed(seed)).tolist()))
        assert drawn.keys() <= law.keys()
        found, most = distance(drawn, law)
        assert found < most
        done += 1
    assert done == BLOCKS


def test_texts_do_not_end_at_the_last_place_more_often_than_they_should():
    """A chi-square test of where draws end, against the law in closed form; 4 of 5 ways to end, so 4 degrees."""
    vocabulary = gcd.Vocabulary([b"a", b""], eos_token_ids=[1])
    lattice = Lattice(gcd.compile(regex="a*", tokenizer=vocabulary), torch.zeros(4, 2), end="accept")
    counts = Counter(map(sum, (lattice.sample(DRAWS, generator=torch.Generator().manual_seed(3)) == 0).tolist()))
    law = {0: 8 / 16, 1: 4 / 16, 2: 2 / 16, 3: 1 / 16, 4: 1 / 16}
    chi_square = sum((counts[n] - DRAWS * p) ** 2 / (DRAWS * p) for n, p in law.items())
    assert chi_square < 13.28  # the 99th percentile with 4 degrees of freedom


# é and an emoji whole, in parts and byte by byte; a keyword beside its letters; escapes; tokens with two readings
EMOJI = "😀".encode()
BYTES = [
    *(bytes([b]) for b in b'abefin01 "\\x'), *(bytes([b]) for b in "é😀".encode()), "é".encode(), EMOJI, EMOJI[:2],
    EMOJI[2:], b"if", b"in", b"ab", b"ba", b'"a', b'a"', b'\\"', b'""', "aé".encode(),
]  # fmt: skip
BYTES = [*dict.fromkeys(BYTES)]
UNICODE = gcd.Vocabulary([*BYTES, b""], eos_token_ids=[len(BYTES)])

PATTERNS = ["é+", "[é😀]{2}", r'"([^"\\]|\\.){1,3}"', "if|[a-z]{2}", "(ab|ba)*é?", "[^a]+"]


def patterns() -> Iterator[str]:
    """Those above, then random ones of their parts."""
    yield from PATTERNS
    rng = random.Random(5)
    atoms = ["a", "[ab]", "é", "😀", "if", "in", "(ab|b)", "[^b]", '"', r"\\", "[a-é]", "."]
    while True:
        parts = rng.choices(atoms, k=rng.randint(1, 4))
        yield "".join(part + rng.choice(["", "", "+", "?", "*", "{1,2}"]) for part in parts)


def test_sums_over_tokens_are_those_of_all_spellings():
    """The law of a text is the sum over its spellings; which strings of tokens there are says `re`, on decoded text."""
    length, eos = 3, len(BYTES)
    strings = [(*tokens, *[eos] * (length - n)) for n in range(length + 1) for tokens in product(range(eos), repeat=n)]
    texts = [b"".join(BYTES[t] for t in string if t != eos) for string in strings]
    decoded = [decode_strictly(data) for data in texts]
    table = torch.tensor(strings)
    some = checked = 0
    for pattern in patterns():
        if checked == REGEXES:
            break
        checked += 1
        matches = re.compile(pattern)
        fits = {text: matches.fullmatch(text) is not None for text in {*decoded} if text is not None}
        chosen = [i for i, text in enumerate(decoded) if text is not None and fits[text]]
        logits = torch.randn(length, eos + 1, generator=torch.Generator().manual_seed(checked)).double()
        laws = logits.log_softmax(-1)
        try:
            lattice = Lattice(gcd.compile(regex=pattern, tokenizer=UNICODE), logits, tail="scored")
        except EmptyLanguage:
            assert not chosen, pattern
            continue
        assert chosen, pattern
        weights = laws.gather(1, table[chosen].T).sum(0)
        assert lattice.log_z.item() == pytest.approx(weights.logsumexp(0).item(), abs=1e-9), pattern
        by_text = Counter[bytes]()
        for i, weight in zip(chosen, weights.exp().tolist(), strict=True):
            by_text[texts[i]] += weight
        spellings = Counter(texts[i] for i in chosen)
        text, count = spellings.most_common(1)[0]
        only = Lattice(gcd.compile(regex=re.escape(text.decode()), tokenizer=UNICODE), logits, tail="scored")
        assert only.log_z.exp().item() == pytest.approx(by_text[text], rel=1e-9), (pattern, text)
        some += count > 1
    assert some >= checked / 3


def decode_strictly(data: bytes) -> str | None:
    """The text, None for bytes that are none."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


@pytest.mark.skipif(POOLED == 0, reason="GCD_POOLED=200 draws so many canvases for each of four random models")
@pytest.mark.parametrize("seed", range(4))
def test_particles_have_the_law_of_the_model_given_the_grammar(seed):
    """Pooled draws of weighted particles, against the law of the model's own canvases in the grammar."""
    vocabulary = gcd.Vocabulary([b"a", b"b", b"", b""], eos_token_ids=[2], special_tokens={"<mask>": 3})
    constraint = gcd.compile(regex="(a|bb)*|ba", tokenizer=vocabulary)
    order = random.Random(seed).sample(range(3), 3)

    def law(canvas: tuple[int, ...]) -> torch.Tensor:
        logits = 1.5 * torch.randn(3, 4, generator=torch.Generator().manual_seed(hash((seed, canvas)) % 2**31))
        logits[:, 3] = -math.inf
        return logits.double().log_softmax(-1)

    def model(ids: torch.Tensor) -> torch.Tensor:
        return torch.stack([law(tuple(row)) for row in ids.tolist()])

    def in_turn(seen):
        return [next(i for i in order if i in seen.positions)]

    truth = Counter[tuple[int, ...]]()
    for string in product(range(3), repeat=3):
        canvas, log_p = [3, 3, 3], 0.0
        for i in order:
            log_p += law(tuple(canvas))[i, string[i]].item()
            canvas[i] = string[i]
        end = string.index(2) if 2 in string else 3
        text = "".join("ab"[t] for t in string[:end])
        if {*string[end:]} <= {2} and re.fullmatch("(a|bb)*|ba", text):
            truth[string] += math.exp(log_p)
    total = sum(truth.values())
    made = decode(
        model, constraint, 3, mask_token_id=3, policy=in_turn, method="trajectory", particles=256, n=POOLED,
        tail="scored", seed=seed,
    )  # fmt: skip
    drawn = Counter(one.token_ids for one in made)
    found = sum(abs(drawn[string] / POOLED - p / total) for string, p in truth.items()) / 2
    estimate = sum(math.exp(one.log_weight) for one in made) / POOLED
    print(f"seed {seed}: distance {found:.3f} over {len(truth)} strings; mass {estimate:.4f} of {total:.4f}")
    assert estimate == pytest.approx(total, rel=0.05)
    assert found < 0.05 + 0.5 * math.sqrt(len(truth) / POOLED)
