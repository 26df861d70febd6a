"""decode: laws of whole canvases by listing, policies without dead ends, blocks within their budget."""

from __future__ import annotations

import json
import math
import os
import random
from collections import Counter
from collections.abc import Callable
from itertools import product

import pytest
import torch
from block_cases import random_block

import gcd
from gcd.diffusion import Lattice, decode, policies
from gcd.errors import EmptyLanguage

RUNS = int(os.environ.get("GCD_DECODE_RUNS", "40"))

AB = gcd.Vocabulary([b"a", b"b", b"c", b"", b""], eos_token_ids=[3], special_tokens={"<mask>": 4})
A, B, C, EOS, MASK = range(5)


def table(laws: Callable[[tuple[int, ...]], list[list[float]]]) -> Callable[[torch.Tensor], torch.Tensor]:
    """A model that is a function from a canvas to the probabilities of a, b, c and EOS at each position."""

    def model(ids: torch.Tensor) -> torch.Tensor:
        found = torch.tensor([laws(tuple(row)) for row in ids.tolist()], dtype=torch.float64)
        return torch.nn.functional.pad(found, (0, 1)).log()

    return model


def twister(canvas: tuple[int, ...]) -> list[list[float]]:
    """a*b+ in three positions, the last one known: the model thinks otherwise of the first once it sees the second."""
    first = 0.9 if canvas == (MASK, A, B) else 0.5
    return [[first, 1 - first, 0, 0], [0.5, 0.5, 0, 0], [0, 1, 0, 0]]


def second_first(seen: policies.View) -> list[int]:
    return [1] if 1 in seen.positions else [*seen.positions]


def test_the_steps_are_exact_and_their_way_is_not():
    c = gcd.compile(regex="a*b+", tokenizer=AB)
    begun = torch.tensor([[MASK, MASK, B]])
    model = table(twister)
    lattice = Lattice(c, model(begun)[0], fixed={2: B})
    assert lattice.log_z.exp().item() == pytest.approx(3 / 4)
    marginals = lattice.position_marginals(1)
    assert marginals[A].item() == pytest.approx(1 / 3, abs=1e-12)
    ratios = {}
    for token in (A, B):
        then = Lattice(c, model(torch.tensor([[MASK, token, B]]))[0], fixed={1: token, 2: B})
        ratios[token] = (then.log_z - lattice.commit({1: token}).log_z).exp().item()
    assert ratios == pytest.approx({A: 9 / 5, B: 1})
    shares = {token: marginals[token].item() * ratios[token] for token in ratios}
    assert shares[A] / sum(shares.values()) == pytest.approx(9 / 19, abs=1e-12)


@pytest.mark.parametrize(("method", "expected"), [("exact", 1 / 3), ("trajectory", 9 / 19)])
def test_particles_correct_the_way(method, expected):
    c = gcd.compile(regex="a*b+", tokenizer=AB)
    options = {"mask_token_id": MASK, "fixed": {2: B}, "policy": second_first, "method": method}
    many, particles = int(os.environ.get("GCD_DECODE_DRAWS", "100")), int(os.environ.get("GCD_DECODE_PARTICLES", "64"))
    if method == "exact":
        drawn = decode(table(twister), c, 3, n=10 * many, seed=1, **options)
    else:
        drawn = decode(table(twister), c, 3, n=many, particles=particles, seed=1, **options)
        mean = sum(math.exp(d.log_weight) for d in drawn) / len(drawn)
        assert mean == pytest.approx(0.95, abs=0.02)  # of the model's own canvases: .5 * .9 + .5
    share = sum(d.token_ids[1] == A for d in drawn) / len(drawn)
    assert share == pytest.approx(expected, abs=3 * math.sqrt(0.25 / len(drawn)))


@pytest.mark.parametrize("seed", range(int(os.environ.get("GCD_DENOISERS", "9"))))
def test_weighted_ways_have_the_law_of_the_model_given_the_grammar(seed):
    """By listing all ways of a random model that reveals its positions in a fixed order: not one step is drawn."""
    rng = random.Random(seed)
    steps = 2 + seed % 3
    block = next(b for s in range(seed, 1000) if 0 in (b := random_block(s, most_states=3)).alive and len(b.alive) > 1)
    vocabulary = gcd.Vocabulary([b"a", b"b", b"", b""], eos_token_ids=[2], special_tokens={"<mask>": 3})
    c = gcd.Constraint(block.constraint().automaton, vocabulary)
    order = rng.sample(range(4), 4)
    parts = [order[i * 4 // steps : (i + 1) * 4 // steps] for i in range(steps)]
    known: dict[tuple[int, ...], torch.Tensor] = {}

    def law(canvas: tuple[int, ...]) -> torch.Tensor:
        if canvas not in known:
            logits = 1.5 * torch.randn(4, 4, generator=torch.Generator().manual_seed(hash((seed, canvas)) % 2**31))
            logits[:, 3] = -math.inf
            known[canvas] = logits.double().log_softmax(-1)
        return known[canvas]

    empty = (3,) * 4
    try:
        first = Lattice(c, law(empty), tail="scored")
    except EmptyLanguage:
        assert not any(is_member(block, string) for string in product(range(3), repeat=4))
        return
    own: Counter[tuple[int, ...]] = Counter()
    corrected: Counter[tuple[int, ...]] = Counter()

    def walk(canvas: tuple[int, ...], step: int, p: float, weighted: float, lattice: Lattice | None) -> None:
        if step == steps:
            own[canvas] += p * is_member(block, canvas)
            corrected[canvas] += weighted
            return
        for tokens in product(range(3), repeat=len(parts[step])):
            after = tuple(dict(zip(parts[step], tokens, strict=True)).get(i, t) for i, t in enumerate(canvas))
            q = math.exp(sum(law(canvas)[i, t].item() for i, t in zip(parts[step], tokens, strict=True)))
            following, share = None, 0.0
            if lattice is not None:
                try:
                    then = lattice.commit(dict(zip(parts[step], tokens, strict=True)))
                except EmptyLanguage:
                    pass
                else:
                    fixed = {i: t for i, t in enumerate(after) if t != 3}
                    following = Lattice(c, law(after), fixed=fixed, tail="scored")
                    # the probability of the step by the lattice, times the weight of its particle
                    share = weighted * q * (then.log_z - lattice.log_z).exp().item()
                    share *= (following.log_z - then.log_z).exp().item()
            walk(after, step + 1, p * q, share, following)

    walk(empty, 0, 1.0, first.log_z.exp().item(), first)
    total = sum(own.values())
    assert sum(corrected.values()) == pytest.approx(total, rel=1e-12)
    assert max(abs(own[s] - corrected[s]) for s in own) / total < 1e-12


def is_member(block, string: tuple[int, ...]) -> bool:
    """Whether it is a text of the automaton, then EOS to the end; or a text."""
    state = 0
    for i, token in enumerate(string):
        if token == 2:
            return state in block.finals and {*string[i:]} == {2}
        state = block.table[state].get(b"ab"[token], -1)
        if state < 0:
            return False
    return state in block.finals


POLICIES = {
    "evenly": policies.evenly(),
    "top_k": policies.top_k(2),
    "left_to_right": policies.left_to_right(),
    "by_threshold": policies.by_threshold(0.9),
    "by_entropy": policies.by_entropy(0.5),
    "position_calibrated": policies.position_calibrated(2),
    "by_credit": policies.by_credit(),
    "by_delimiter": policies.by_delimiter([0, 1], window=3),
}


@pytest.mark.parametrize("method", ["exact", "dingo", "greedy-mask", "trajectory"])
def test_no_policy_meets_a_dead_end(method):
    finished = 0
    for seed in range(RUNS):
        block = random_block(seed)
        if 0 not in block.alive:
            continue
        c, rng = block.constraint(), random.Random(seed)
        mask = block.logits.shape[1]
        length, name = rng.randint(1, 7), rng.choice([*POLICIES])

        def model(ids: torch.Tensor, seed: int = seed, width: int = mask + 1) -> torch.Tensor:
            rows = [torch.Generator().manual_seed(hash((seed, *row)) % 2**31) for row in ids.tolist()]
            return torch.stack([2 * torch.randn(ids.shape[1], width, generator=g) for g in rows])

        steps = rng.choice([None, 1, 2])
        options = {
            "mask_token_id": mask, "method": method, "policy": POLICIES[name], "steps": steps, "particles": 3, "n": 2,
            "block_length": rng.choice([None, 2, 3]), "end": rng.choice(["accept", "eos"]), "seed": seed,
        }  # fmt: skip
        try:
            made = decode(model, c, length, **options)
        except EmptyLanguage:
            assert c.min_tokens_to_end(c.start) + (options["end"] == "eos") > length, (seed, name)
            continue
        for one in made:
            assert len(one.token_ids) == length
            state = c.start
            for token in one.token_ids:
                state = c.advance(state, token)
            assert c.is_accepting(state)
            assert c.is_terminated(state) or options["end"] == "accept"
            blocks = -(-length // (options["block_length"] or length))
            assert one.calls <= (length if steps is None else steps * blocks)
        finished += 1
    assert finished > RUNS / 3


def test_brackets_are_balanced_whatever_is_committed_first():
    vocabulary = gcd.Vocabulary([b"(", b")", b"[", b"]", b"", b""], eos_token_ids=[4], special_tokens={"<mask>": 5})
    c = gcd.compile(grammar='start: s\ns: ("(" s ")" s | "[" s "]" s)?', tokenizer=vocabulary)

    def model(ids: torch.Tensor) -> torch.Tensor:
        return torch.randn(*ids.shape, 6, generator=torch.Generator().manual_seed(int(ids.sum())))

    for name, policy in POLICIES.items():
        for one in decode(model, c, 12, mask_token_id=5, policy=policy, steps=4, n=3, end="eos", seed=7):
            text = one.data
            while (shorter := text.replace(b"()", b"").replace(b"[]", b"")) != text:
                text = shorter
            assert text == b"", (name, one)


def test_what_is_committed_together_is_one_string():
    """Two positions drawn by themselves from the marginals of ab|ba would be wrong half of the time."""
    c = gcd.compile(choices=["ab", "ba"], tokenizer=AB)
    drawn = decode(table(lambda _: [[0.5, 0.5, 0, 0]] * 2), c, 2, mask_token_id=MASK, steps=1, n=10_000, seed=3)
    counts = Counter(d.data for d in drawn)
    assert counts.keys() == {b"ab", b"ba"}
    assert all(one.calls == 1 for one in drawn)
    assert counts[b"ab"] / 10_000 == pytest.approx(0.5, abs=0.02)


def test_policies_do_not_bend_the_law():
    c = gcd.compile(regex="[ab]{2}", tokenizer=AB)
    drawn = decode(table(lambda _: [[0.6, 0.4, 0, 0], [0.9, 0.1, 0, 0]]), c, 2, mask_token_id=MASK, n=10_000, seed=4)
    assert sum(d.token_ids[1] == B for d in drawn) / 10_000 == pytest.approx(0.1, abs=0.01)
    assert {d.committed_at for d in drawn} == {(2, 1)}


@pytest.mark.parametrize("tail", ["scored", "unscored"])
def test_blocks_leave_room_for_the_end(tail):
    """(ab)+c in three blocks of four: the model that hates c ends in time all the same, and where its law ends.

    Of one block abab is left open, ab goes on to c and EOS, or c and EOS come first; the last one must end.
    """
    c = gcd.compile(regex="(ab)+c", tokenizer=AB)
    model = table(lambda canvas: [[0.45, 0.45, 0.05, 0.05]] * len(canvas))
    many = max(200, RUNS)
    made = decode(model, c, 12, mask_token_id=MASK, block_length=4, n=many, tail=tail, seed=5)
    assert all(one.data.endswith(b"c") for one in made)
    goes_on, abc, c_first = 0.45**4, 0.45**2 * 0.05**2, 0.05 ** (4 if tail == "scored" else 2)
    past_first, second = goes_on / (goes_on + abc), goes_on + abc + c_first
    past_second = past_first * goes_on / second
    law = {
        3: 1 - past_first, 5: past_first * c_first / second, 7: past_first * abc / second,
        9: past_second * c_first / (c_first + abc), 11: past_second * abc / (c_first + abc),
    }  # fmt: skip
    lengths = Counter(len(one.data) for one in made)
    assert lengths.keys() <= law.keys()
    for length, p in law.items():
        assert lengths[length] / many == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / many) + 1 / many), length


def test_a_canvas_that_is_too_small_is_refused_before_the_model_is_asked():
    def model(ids: torch.Tensor) -> torch.Tensor:
        raise AssertionError("the model was asked")

    c = gcd.compile(regex="a{9}", tokenizer=AB)
    for options in ({"length": 8}, {"length": 9, "end": "eos"}, {"length": 9, "fixed": {3: B}}):
        with pytest.raises(EmptyLanguage):
            decode(model, c, mask_token_id=MASK, **options)


def test_the_prompt_goes_before_the_canvas_and_the_rest_is_padding():
    seen = []

    def model(ids: torch.Tensor) -> torch.Tensor:
        seen.append(ids.tolist())
        return torch.zeros(*ids.shape, 5)

    (one,) = decode(model, gcd.compile(regex="ab", tokenizer=AB), 6, mask_token_id=MASK, prompt=[C, C], block_length=3)
    assert (one.token_ids, one.data) == ((A, B, EOS, EOS, EOS, EOS), b"ab")
    assert seen[0] == [[C, C, *[MASK] * 6]]
    assert (one.calls, one.committed_at[3:]) == (3, (-1, -1, -1))  # nothing is asked behind the end


def test_seeds_repeat():
    c = gcd.compile(regex="[abc]*", tokenizer=AB)
    model = table(lambda canvas: [[0.3, 0.3, 0.3, 0.1]] * len(canvas))
    for method in ("exact", "trajectory"):
        once, twice = (decode(model, c, 6, mask_token_id=MASK, n=3, seed=8, method=method) for _ in range(2))
        assert once == twice
    assert decode(model, c, 6, mask_token_id=MASK, n=3, seed=9) != decode(model, c, 6, mask_token_id=MASK, n=3, seed=8)


def test_low_temperatures_are_dingo():
    c = gcd.compile(regex="(ab|ba|c)*", tokenizer=AB)
    model = table(lambda canvas: [[0.4, 0.3, 0.2, 0.1], [0.1, 0.35, 0.3, 0.25]] * (len(canvas) // 2))
    (cold,) = decode(model, c, 6, mask_token_id=MASK, temperature=1e-4, steps=1)
    (best,) = decode(model, c, 6, mask_token_id=MASK, method="dingo", steps=1)
    assert cold.token_ids == best.token_ids


WRONG = [
    ({"method": "best"}, "method must be one of exact, trajectory, dingo, greedy-mask, not 'best'"),
    ({"temperature": 0}, "temperature must be a number > 0, not 0: method='dingo' is its limit"),
    ({"block_cache": "suffix"}, "block_cache must be 'prefix', 'dual' or None, not 'suffix'"),
    ({"n": 0}, "length, block_length, steps, n and particles must be at least 1"),
    (
        {"fixed": {0: A}, "block_length": 1},
        "fixed tokens need one block: earlier ones would not see those of later ones",
    ),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_what_is_refused(options, message):
    c = gcd.compile(regex="a*", tokenizer=AB)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        decode(table(lambda _: [[1, 0, 0, 0]] * 3), c, 3, mask_token_id=MASK, **options)
    assert str(caught.value) == message


TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"v": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            "required": ["v", "kids"],
        }
    },
    "$ref": "#/$defs/node",
}


@pytest.mark.parametrize("gaps", [[(5, 9)], [(2, 7), (20, 30)], [(0, 3), (8, 14), (24, 28)]])
def test_gaps_in_a_recursive_schema_are_filled_validly(gaps):
    """Tokens that close several objects at once among them; each text is read by json and checked by its own rules."""
    text = b'{"v":1,"kids":[{"v":27,"kids":[]},{"v":3,"kids":[]}]}'
    tokens = [*(bytes([i]) for i in range(256)), b"]}", b"]}]}", b'{"v":', b',"kids":[', b"", b""]
    vocabulary = gcd.Vocabulary(tokens, eos_token_ids=[260], special_tokens={"<mask>": 261})
    c = gcd.compile(schema=TREE, tokenizer=vocabulary, whitespace="compact", additional_properties=False)
    fixed = {i: b for i, b in enumerate(text) if not any(a <= i < b for a, b in gaps)}

    def model(ids: torch.Tensor) -> torch.Tensor:
        return torch.randn(*ids.shape, 262, generator=torch.Generator().manual_seed(int(ids.sum())))

    def check(node: object) -> None:
        assert isinstance(node, dict)
        assert [*node] == ["v", "kids"]
        assert isinstance(node["v"], int)
        for kid in node["kids"]:
            check(kid)

    for method in ("exact", "dingo", "trajectory"):
        for one in decode(
            model, c, len(text), mask_token_id=261, fixed=fixed, method=method, steps=4, n=3, particles=4
        ):
            assert all(one.token_ids[i] == t for i, t in fixed.items())
            check(json.loads(one.data))
