"""Block caches: what is kept is what was made, what is read anew, and where that is the model itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import gcd
from gcd.diffusion import decode
from gcd.errors import ModelError
from gcd.models.demo_diffusion.network import Network, Shape

AB = gcd.Vocabulary([b"a", b"b", b"c", b"", b""], eos_token_ids=[3], special_tokens={"<mask>": 4})
MASK = 4


def random_network(layers: int) -> Network:
    """One that has opinions: its weights are ten times as large as before training."""
    torch.manual_seed(layers)
    network = Network(Shape(vocab_size=5, width=32, layers=layers, heads=2)).eval()
    with torch.no_grad():
        for weight in network.parameters():
            if weight.dim() == 2:
                weight.mul_(10)
    return network


def close(left: torch.Tensor, right: torch.Tensor) -> bool:
    return torch.allclose(left, right, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("layers", [1, 2])
@torch.no_grad()
def test_a_window_sees_what_the_canvas_was_when_it_was_opened(layers):
    network = random_network(layers)
    ids = torch.randint(5, (3, 9))
    logits, window = network.open_window(ids, 3, 7)
    assert close(logits, network(ids))
    rows = torch.tensor([2, 0, 2])
    assert close(window(ids[rows, 3:7], rows), network(ids)[rows, 3:7])  # kept keys are those that were computed
    other = ids.clone()
    other[:, 3:7] = (ids[:, 3:7] + 1) % 5
    inside, anew = window(other[:, 3:7], torch.arange(3)), network(other)[:, 3:7]
    # keys of the first layer are of their own token alone; those of later ones have looked around
    assert close(inside, anew) == (layers == 1)
    _, whole = network.open_window(ids, 0, 9)
    assert close(whole(other, torch.arange(3)), network(other))


class Watched:
    """A model that notes how many positions of how many canvases it reads."""

    def __init__(self, network: Network) -> None:
        self.network, self.read = network, list[tuple[int, ...]]()

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        self.read.append((*ids.shape,))
        return self.network(ids)

    def open_window(self, ids: torch.Tensor, begin: int, stop: int):
        self.read.append((*ids.shape,))
        logits, window = self.network.open_window(ids, begin, stop)

        def watched(inside: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            self.read.append((*inside.shape,))
            return window(inside, rows)

        return logits, watched


@pytest.mark.parametrize("method", ["exact", "dingo", "trajectory"])
def test_with_one_layer_the_cache_is_no_approximation(method):
    """Canvases that differ before the block, each beside its own kept keys."""
    options = {
        "mask_token_id": MASK, "prompt": [0, 1, 2, 2, 1], "block_length": 3, "steps": 2, "method": method, "n": 4,
        "particles": 3, "seed": 3,
    }  # fmt: skip
    constraint = gcd.compile(regex="(ab|ba|cc|ac){4}[abc]", tokenizer=AB)
    made, read = {}, {}
    for cache in (None, "prefix", "dual"):
        model = Watched(random_network(1))
        made[cache], read[cache] = decode(model, constraint, 9, block_cache=cache, **options), model.read
    weights = {cache: [one.log_weight for one in all_of_them] for cache, all_of_them in made.items()}
    plain = {cache: [replace(one, log_weight=0) for one in all_of_them] for cache, all_of_them in made.items()}
    assert plain[None] == plain["prefix"] == plain["dual"]
    assert weights["prefix"] == pytest.approx(weights[None], abs=1e-5)
    assert weights["dual"] == pytest.approx(weights[None], abs=1e-5)
    assert (len({one.token_ids[:3] for one in made[None]}) > 1) == (method != "dingo")
    kept = {length for _, length in read["prefix"]}, {length for _, length in read["dual"]}
    assert kept == ({14, 9, 6, 3}, {14, 3})
    assert [count for count, _ in read[None]] == [count for count, _ in read["dual"]]


def test_where_nothing_is_outside_of_the_block_nothing_is_approximated():
    constraint, network = gcd.compile(regex="(ab|ba|cc|ac){4}", tokenizer=AB), random_network(3)
    options = {"mask_token_id": MASK, "steps": 4, "n": 5, "seed": 1}
    without = decode(network, constraint, 8, **options)
    assert len({one.data for one in without}) > 2
    for cache in ("prefix", "dual"):
        assert decode(network, constraint, 8, block_cache=cache, **options) == without


def function(ids):
    raise AssertionError("the model was asked")


REFUSED = [
    (
        {"model": function, "block_cache": "dual"},
        "block_cache='dual' is for models that keep keys and values around a window of positions, and function has no "
        "open_window(token_ids, begin, stop): leave block_cache= out",
    ),
    (
        {"block_cache": "prefix"},
        "a block cache is for models that keep keys and values around a window of positions, and function has no "
        "open_window(token_ids, begin, stop): leave block_cache= out",
    ),
    (
        {"shifted": True, "inner": random_network(1), "block_cache": "prefix"},
        "a block cache is for models that keep keys and values around a window of positions, and Network gives shifted "
        "logits: leave block_cache= out",
    ),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_a_model_that_keeps_nothing_is_refused_before_it_is_asked(options, message):
    options = {**options}
    wrapped = gcd.MaskedDiffusionLM(
        options.pop("inner", function), mask_token_id=MASK, eos_token_ids=[3], vocab_size=5,
        shifted=options.pop("shifted", False),
    )  # fmt: skip
    with pytest.raises(ModelError) as caught:
        decode(options.pop("model", wrapped), gcd.compile(regex="a*", tokenizer=AB), 3, mask_token_id=MASK, **options)
    assert str(caught.value) == message
