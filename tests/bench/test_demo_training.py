"""From records to a model that `generate` can use, at a tiny size: the scripts that made the embedded model."""

from __future__ import annotations

import json
import shutil
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
from demo_diffusion.records import SCHEMAS

import gcd
from gcd.models.demo_diffusion.load import load_demo_diffusion

pytest.importorskip("tokenizers")


def test_a_tiny_model_is_prepared_trained_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.syspath_prepend(str(request.config.rootpath / "bench" / "demo_diffusion"))
    precision, state = torch.get_float32_matmul_precision(), torch.get_rng_state()
    prepare = ["--records", "900", "--vocabulary", "2048", "--out", str(tmp_path / "data")]
    train = [
        "--data", str(tmp_path / "data" / "data.npz"), "--out", str(tmp_path / "made"), "--steps", "4", "--batch", "4",
        "--width", "32", "--layers", "1", "--device", "cpu", "--fill",
    ]  # fmt: skip
    for script, arguments in (("prepare", prepare), ("train", train)):
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        import_module(script).main()
    torch.set_float32_matmul_precision(precision)
    torch.set_rng_state(state)
    log = json.loads((tmp_path / "made" / "loss.json").read_text())
    assert [(entry["step"], 3 < entry["loss"] < 9) for entry in log] == [(4, True)]
    shutil.copy(tmp_path / "data" / "tokenizer.json", tmp_path / "made")
    model = load_demo_diffusion(folder=tmp_path / "made")
    assert model.vocab_size == 2048
    value = gcd.generate(model, "weather: ->", schema=SCHEMAS["weather"], method="dingo", steps=1).value
    assert value["sky"] in SCHEMAS["weather"]["properties"]["sky"]["enum"]
