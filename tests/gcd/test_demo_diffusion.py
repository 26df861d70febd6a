"""The embedded diffusion model: what is shipped, and that it does what it was taught."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import torch
from demo_diffusion.records import SCHEMAS, records
from typer.testing import CliRunner

import gcd
from gcd.cli.app import app
from gcd.diffusion import policies
from gcd.errors import UnknownModel
from gcd.models.demo_diffusion.load import FILES, load_demo_diffusion
from gcd.models.demo_diffusion.network import Network, Shape

FOLDER = Path(gcd.__file__).parent / "models" / "demo_diffusion"
HELD_OUT = 1
"""The seed of the records that it was not taught: bench/demo_diffusion/prepare.py."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small matrices on a busy machine: threads that wait for each other take ten times as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def demo():
    return gcd.load("demo-diffusion", device="cpu")


def test_it_is_loaded_once_and_small(demo):
    assert gcd.load("demo-diffusion", device="cpu") is demo
    assert repr(demo) == "MaskedDiffusionLM(Network, 'demo-diffusion')"
    assert sum(weight.numel() for weight in demo.model.parameters()) == 6_820_608
    assert (FOLDER / "model.safetensors").stat().st_size < 16_000_000
    assert (demo.vocab_size, demo.canvas_length) == (2048, 96)


def test_notes_that_it_has_not_seen_become_their_objects(demo):
    """The first one of each kind, all positions that are certain at once; of 300 it has 93 % right."""
    right = {}
    for record in islice(records(HELD_OUT), 60):
        if record.kind not in right:
            generation = gcd.generate(
                demo, record.prompt, schema=SCHEMAS[record.kind], method="dingo", steps=12, whitespace="compact",
                policy=policies.by_threshold(0.9),
            )  # fmt: skip
            assert generation.value.keys() == record.value.keys()
            assert generation.model_calls <= 8
            right[record.kind] = generation.text == record.answer
    assert right.keys() == SCHEMAS.keys()
    assert sum(right.values()) >= 5, right


@pytest.mark.parametrize(("cache", "number"), [("prefix", 1), ("dual", 2)])
def test_what_is_kept_around_a_block_leaves_texts_valid(demo, cache, number):
    record = next(islice(records(HELD_OUT), number, None))
    generation = gcd.generate(
        demo, record.prompt, schema=SCHEMAS[record.kind], method="dingo", block_cache=cache, block_length=32, steps=3,
        max_new_tokens=96, whitespace="compact",
    )  # fmt: skip
    assert generation.value.keys() == record.value.keys()
    assert (generation.finish_reason, generation.error) == ("stop", None)


def test_a_schema_that_it_does_not_know_is_kept_all_the_same(demo):
    schema = {
        "type": "object", "properties": {"where": {"enum": ["north", "south"]}, "n": {"type": "integer", "minimum": 3}},
        "required": ["where", "n"], "additionalProperties": False,
    }  # fmt: skip
    value = gcd.generate("demo-diffusion", "Two houses ->", schema=schema, steps=3, seed=0).value
    assert value["where"] in ("north", "south")
    assert value["n"] >= 3


def test_the_command_line_asks_it(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.chdir(request.config.rootpath)
    note = "weather: It is 16 degrees in Athens. Fog. Wind from the west at 115 km/h. Warning issued. ->"
    arguments = ["--schema", "examples/weather.json", "--temperature", "0", "--steps", "4", "--json", note]
    result = CliRunner().invoke(app, ["generate", "--diffusion", *arguments], catch_exceptions=False)
    record = json.loads(result.stdout)
    assert record["value"] == {
        "city": "Athens", "degrees": 16, "sky": "fog", "wind": {"direction": "west", "speed": 115}, "warning": True,
    }  # fmt: skip
    assert (record["logprob"], record["finish_reason"]) == (None, "stop")


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    for name in FILES[:2]:
        shutil.copy(FOLDER / name, tmp_path)
    with pytest.raises(UnknownModel) as caught:
        load_demo_diffusion(folder=tmp_path)
    assert str(caught.value) == (
        f"'demo-diffusion' is not whole: tokenizer.json is missing in {tmp_path}; reinstall gcd-decoding"
    )


def test_only_distances_count():
    """What fills up a prompt on the left is not seen, and where the others stand does not matter."""
    torch.manual_seed(0)
    network = Network(Shape(vocab_size=40, width=32, layers=2, heads=2)).eval()
    ids = torch.randint(40, (1, 9))
    padded = torch.cat([torch.randint(40, (1, 5)), ids], 1)
    seen = torch.arange(14)[None] >= 5
    with torch.no_grad():
        torch.testing.assert_close(network(padded, seen=seen, first=5), network(ids), atol=1e-5, rtol=1e-4)
        assert not torch.allclose(network(padded, first=5), network(ids), atol=1e-3)
        ahead = torch.cat([ids[:, :8], (ids[:, 8:] + 1) % 40], 1)
        assert not torch.allclose(network(ahead)[:, 0], network(ids)[:, 0])  # the first position sees the last one
