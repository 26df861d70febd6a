"""load_demo_diffusion: the embedded masked diffusion model, from the files beside this one.

7 million weights that were taught six kinds of notes; `bench/demo_diffusion` has the records, the training, the loss.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from pathlib import Path
from typing import Any

from gcd.errors import ModelError, UnknownModel
from gcd.models.demo_diffusion.network import Network, Shape
from gcd.models.masked_diffusion import MaskedDiffusionLM

__all__ = ["load_demo_diffusion"]

FILES = ("config.json", "model.safetensors", "tokenizer.json")
CONTEXT = 256
"""The prompt and the block; it was taught prompts of up to 57 tokens."""


def load_demo_diffusion(device: str = "cpu", folder: Path = Path(__file__).parent) -> MaskedDiffusionLM:
    """The model with its tokenizer; raises ModelError where a package is missing, UnknownModel where a file is.

    >>> load_demo_diffusion()
    MaskedDiffusionLM(Network, 'demo-diffusion')
    """
    for package in ("safetensors", "tokenizers"):
        if importlib.util.find_spec(package) is None:
            raise ModelError(f"'demo-diffusion' needs {package}: pip install 'gcd-decoding[transformers]'")
    for name in FILES:
        if not (folder / name).is_file():
            raise UnknownModel(f"'demo-diffusion' is not whole: {name} is missing in {folder}; reinstall gcd-decoding")
    safetensors: Any = importlib.import_module("safetensors.torch")
    tokenizers: Any = importlib.import_module("tokenizers")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    network = Network(Shape(config["vocab_size"], config["width"], config["layers"], config["heads"]))
    network.load_state_dict(safetensors.load_file(folder / "model.safetensors"))  # copied into float32 weights
    return MaskedDiffusionLM(
        network.to(device).eval(),
        tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")),
        mask_token_id=config["mask_token_id"],
        eos_token_ids=[config["eos_token_id"]],
        vocab_size=config["vocab_size"],
        canvas_length=config["block_length"],
        context_length=CONTEXT,
        name="demo-diffusion",
    )
