"""infill: the joint law of lengths and texts by listing, what is shown to the model, and what is refused."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import product

import pytest
import torch

import gcd
from gcd.diffusion import Hole, infill
from gcd.errors import EmptyLanguage, LimitExceeded, VocabularyMismatch

VOCABULARY = gcd.Vocabulary([b"a", b"b", b"ab", b"c", b"", b""], eos_token_ids=[4], special_tokens={"<mask>": 5})
A, B, AB, C, EOS, MASK = range(6)
BALANCED = 'start: "c" s "c" s "c"?\ns: ("a" s "b")*'
"""Nests: read as a pushdown automaton where states are not listed."""


class Toy:
    """Random laws that depend on the whole canvas, EOS and masks among what they say; remembers what it was asked."""

    def __init__(self, seed: int) -> None:
        self.seed, self.asked = seed, list[tuple[int, ...]]()

    def __call__(self, token_ids: torch.Tensor) -> torch.Tensor:
        rows = [tuple(row) for row in token_ids.tolist()]
        self.asked += rows
        return torch.stack([self.law(row) for row in rows])

    def law(self, canvas: tuple[int, ...]) -> torch.Tensor:
        generator = torch.Generator().manual_seed(hash((self.seed, canvas)) % 2**31)
        return 1.5 * torch.randn(len(canvas), 6, generator=generator, dtype=torch.float64)


def is_balanced(text: bytes) -> bool:
    if not (found := re.fullmatch(rb"c([ab]*)c([ab]*)c?", text)):
        return False
    for part in found.groups():
        depth = 0
        for letter in part:
            depth += 1 if letter == ord("a") else -1
            if depth < 0:
                return False
        if depth:
            return False
    return True


def listed(toy, pieces, *, is_member, prompt=(), temperature=1.0, prior=lambda _: 1.0, canvas_length=0):
    """All (lengths, token ids) with their probabilities: lengths by the prior, tokens by the model."""
    joint = dict[tuple[tuple[int, ...], tuple[int, ...]], float]()
    for lengths in product(*(range(p.fewest, p.most + 1) for p in pieces if isinstance(p, Hole))):
        left = iter(lengths)
        canvas = [t for p in pieces for t in ([MASK] * next(left) if isinstance(p, Hole) else p)]
        canvas += [EOS] * (canvas_length - len(canvas))
        masked = [i for i, t in enumerate(canvas) if t == MASK]
        law = toy.law((*prompt, *canvas))[len(prompt) :, :MASK].softmax(-1).tolist()
        for tokens in product((A, B, AB, C), repeat=len(masked)):
            filled = [*canvas]
            for i, token in zip(masked, tokens, strict=True):
                filled[i] = token
            if is_member(VOCABULARY.decode(filled)):
                p = math.prod(law[i][t] for i, t in zip(masked, tokens, strict=True))
                joint[lengths, (*filled,)] = prior(lengths) * p ** (1 / temperature)
    total = sum(joint.values())
    return {key: p / total for key, p in joint.items()}


CASES = [
    ("regex", "a*(ab|c)*b?", lambda t: re.fullmatch(b"a*(ab|c)*b?", t), [Hole(0, 3), [C], Hole(1, 2)], {}),
    ("regex", "(ab)*", lambda t: re.fullmatch(b"(ab)*", t), [Hole(0, 4)], {"temperature": 0.5}),
    ("regex", "(ab)*", lambda t: re.fullmatch(b"(ab)*", t), [Hole(0, 4)], {"canvas_length": 3}),
    ("grammar", BALANCED, is_balanced, [[C], Hole(0, 4), [C], Hole(0, 2)], {"prior": lambda n: n[0] + 0.1}),
    ("grammar", BALANCED, is_balanced, [[C], Hole(0, 4), [C], Hole(0, 2)], {"limits": 1, "prompt": [A, C]}),
]


@pytest.mark.parametrize(("kind", "source", "is_member", "pieces", "options"), CASES)
@pytest.mark.parametrize("seed", [1, 2])
def test_lengths_and_texts_have_their_joint_law(kind, source, is_member, pieces, options, seed):
    constraint, toy = gcd.compile(**{kind: source}, tokenizer=VOCABULARY), Toy(seed)
    law = listed(toy, pieces, is_member=is_member, **{k: v for k, v in options.items() if k != "limits"})
    if "limits" in options:
        options = {**options, "limits": gcd.diffusion.BlockLimits(states=options["limits"])}
    options = {"mask_token_id": MASK, "steps": 1, "seed": seed, **options}
    count = 3000
    made = infill(toy, constraint, pieces, n=count, **options)
    of_lengths = Counter[tuple[int, ...]]()
    for (lengths, _), p in law.items():
        of_lengths[lengths] += p
    assert made[0].length_law.keys() == of_lengths.keys()
    assert max(abs(made[0].length_law[n] - p) for n, p in of_lengths.items()) < 1e-12

    drawn = Counter((one.lengths, one.decoding.token_ids) for one in made)
    assert drawn.keys() <= law.keys()
    often = {key for key, p in law.items() if p * count >= 5}
    rest = 1 - sum(law[key] for key in often)
    chi2 = sum((drawn[key] - law[key] * count) ** 2 / (law[key] * count) for key in often)
    if rest * count >= 5:
        chi2 += (sum(drawn[key] for key in law.keys() - often) - rest * count) ** 2 / (rest * count)
    assert chi2 < len(often) + 4 * math.sqrt(2 * len(often)) + 4, (seed, chi2, len(often))
    for one in made[:50]:  # the parts stand where they were, the holes between them
        left = iter(one.holes)
        texts = [next(left) if isinstance(p, Hole) else VOCABULARY.decode(p) for p in pieces]
        assert b"".join(texts) == one.decoding.data

    (best,) = infill(toy, constraint, pieces, method="dingo", **options)
    most = max(law.values())
    assert law[best.lengths, best.decoding.token_ids] == pytest.approx(most, rel=1e-9)


def test_only_canvases_that_a_text_fits_are_shown_to_the_model():
    toy = Toy(1)
    constraint = gcd.compile(regex="c(aa)*c", tokenizer=VOCABULARY)
    (one,) = infill(toy, constraint, ["c", Hole(1, 4), "c"], mask_token_id=MASK, seed=3)
    assert {len(canvas) for canvas in toy.asked} == {4, 6}
    assert one.decoding.calls == 2 + one.lengths[0]  # two to weigh, then one for each position of the hole
    assert sorted(one.decoding.committed_at) == [-1, -1, *range(3, 3 + one.lengths[0])]


def test_canvases_are_as_long_as_the_model_was_taught():
    toy = Toy(1)
    toy.canvas_length = 5
    constraint = gcd.compile(regex="c(aa)*c", tokenizer=VOCABULARY)
    infill(toy, constraint, ["c", Hole(1, 4), "c"], mask_token_id=MASK, seed=3)
    assert {len(canvas) for canvas in toy.asked} == {5, 6}
    assert (C, MASK, MASK, C, EOS) in toy.asked


def test_a_text_that_may_be_empty_needs_no_token():
    toy = Toy(2)
    nothing = infill(toy, gcd.compile(regex="a?", tokenizer=VOCABULARY), [Hole(0, 1)], mask_token_id=MASK, n=40, seed=1)
    of_a = toy.law((MASK,))[0, :MASK].softmax(-1)[A].item()
    assert nothing[0].length_law == pytest.approx({(0,): 1 / (1 + of_a), (1,): of_a / (1 + of_a)})
    assert {(one.lengths, one.holes, one.decoding.data) for one in nothing} == {
        ((0,), (b"",), b""),
        ((1,), (b"a",), b"a"),
    }


def test_the_tokenizer_of_the_model_spells_the_parts():
    class Spelled(Toy):
        class tokenizer:  # noqa: N801
            @staticmethod
            def encode(text: str, *, add_special_tokens: bool) -> list[int]:
                return {"ab": [A, B], "b": [A]}[text]  # the second is wrong: these are not its bytes

    constraint = gcd.compile(regex="[abc]*", tokenizer=VOCABULARY)
    for model, ids in ((Spelled(1), (A, B)), (Toy(1), (AB,))):
        (one,) = infill(model, constraint, ["ab", Hole(1, 1), "b"], mask_token_id=MASK, steps=1)
        assert (*one.decoding.token_ids[: len(ids)], one.decoding.token_ids[-1]) == (*ids, B)


REFUSED = [
    (
        {"parts": ["c", Hole(2, 3), "b"]}, EmptyLanguage,
        "no text of the grammar has these parts, whatever the lengths of the holes\n"
        "let the holes be longer; they are filled with whole tokens, and so are the parts",
    ),
    (
        {"parts": [Hole(0, 9), Hole(0, 9), Hole(0, 9)]}, LimitExceeded,
        "the holes have 1,000 combinations of lengths, each a canvas for the model, and 256 are allowed\n"
        "give the holes narrower bounds; in Python most_canvases= allows more",
    ),
    (
        {"prior": lambda _: 0.0}, EmptyLanguage,
        "the model or the prior gives probability 0 to every text of the grammar that has these parts\n"
        "let the holes have other lengths",
    ),
    ({"prior": lambda n: -1.0 * n[0]}, ValueError, "prior must give finite weights >= 0, not [-1.0, -2.0]"),
    ({"parts": [[C, MASK]]}, ValueError, "a part has the mask, token 5: write a Hole(fewest, most) there"),
    ({"parts": ["cd"]}, ValueError, "no tokens of the vocabulary spell the part 'cd'"),
    ({"method": "trajectory"}, ValueError, "method must be 'exact' or 'dingo', not 'trajectory'"),
    ({"temperature": 0}, ValueError, "temperature must be a number > 0, not 0: method='dingo' is its limit"),
    ({"n": 0}, ValueError, "n and most_canvases must be at least 1"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "kind", "message"), REFUSED)
def test_what_is_refused(options, kind, message):
    toy, constraint = Toy(1), gcd.compile(regex="c[ab]*c", tokenizer=VOCABULARY)
    options = {"parts": ["c", Hole(1, 2), "c"], "mask_token_id": MASK, **options}
    with pytest.raises(kind) as caught:
        infill(toy, constraint, **options)
    assert str(caught.value) == message
    assert not toy.asked or "prior" in options


@pytest.mark.parametrize("bounds", [(-1, 2), (3, 2)])
def test_a_hole_has_its_bounds_in_order(bounds):
    with pytest.raises(ValueError, match=f"a hole has 0 <= fewest <= most tokens, not {bounds[0]} to {bounds[1]}"):
        Hole(*bounds)


def test_logits_that_have_no_end_are_too_narrow():
    toy, constraint = Toy(1), gcd.compile(regex="c[ab]*c", tokenizer=VOCABULARY)
    with pytest.raises(VocabularyMismatch) as caught:
        infill(lambda canvas: toy(canvas)[..., :EOS], constraint, ["c", Hole(1, 2), "c"], mask_token_id=MASK)
    assert str(caught.value) == "the logits are 4 wide, the vocabulary has 6 ids"
