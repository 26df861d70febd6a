"""Whether everything that a model generates inside a schema parses and validates.

    python bench/generations.py examples [MASKBENCH] [--schemas 20] [--n 10] [--random 100] [--max-new-tokens 256]

Takes the JSON schemas of `examples`, then schemas of a MaskBench folder that compile, up to `--schemas`. For each,
`--n` texts are drawn from SmolLM2 at temperature 1 and `--random` from random logits (normal, standard deviation 4:
an adversary that has never seen JSON). Each text is judged outside of this library's own check: `json.loads`, then
`jsonschema` with a registry that retrieves nothing. Formats are assertions here as they are there: under
`oneOf: [{format: uri}, {enum: ["."]}]` the text "." satisfies one branch only because it is no URI.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import referencing
import torch

import gcd
from gcd.errors import GrammarError
from gcd.generation import Generation

FORMATS = jsonschema.FormatChecker()


@FORMATS.checks("uri", raises=ValueError)
def is_uri(value: object) -> bool:
    """Whether a string has a scheme; jsonschema itself checks URIs only beside a package that is not installed."""
    return not isinstance(value, str) or bool(urlsplit(value).scheme)


@FORMATS.checks("hostname")
def is_hostname(value: object) -> bool:
    """Whether a string is made of labels (RFC 1123); jsonschema itself asks a package that is not installed."""
    label = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    return not isinstance(value, str) or re.fullmatch(rf"{label}(\.{label})*", value) is not None


class RandomLogits:
    """A language model whose logits are noise."""

    def __init__(self, vocab_size: int, eos_token_ids: tuple[int, ...], seed: int) -> None:
        self.vocab_size, self.eos_token_ids = vocab_size, eos_token_ids
        self.generator = torch.Generator().manual_seed(seed)

    def next_logits(self, sequences: Sequence[Sequence[int]]) -> torch.Tensor:
        return 4 * torch.randn(len(sequences), self.vocab_size, generator=self.generator)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folders", type=Path, nargs="+")
    arguments.add_argument("--schemas", type=int, default=20)
    arguments.add_argument("--n", type=int, default=10)
    arguments.add_argument("--random", type=int, default=100)
    arguments.add_argument("--max-new-tokens", type=int, default=256)
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()
    model = gcd.load("smollm2")
    schemas = chosen(options.folders, options.schemas, model, options.max_new_tokens)
    noise = RandomLogits(model.vocab_size, model.eos_token_ids, options.seed)
    for name, source, n in (("SmolLM2", model, options.n), ("random logits", noise, options.random)):
        counts: Counter[str] = Counter()
        tokens, begin = 0, time.perf_counter()
        for file, schema in schemas.items():
            if not n:
                continue
            made = gcd.generate(
                source, "1 2 3" if source is noise else f"An example of {file.stem}:\n", schema=schema, n=n,
                tokenizer=model.tokenizer, seed=options.seed, max_new_tokens=options.max_new_tokens, errors="return",
            )  # fmt: skip
            for generation in made if isinstance(made, list) else [made]:
                verdict = judge(generation, schema)
                counts[verdict] += 1
                counts["budget narrowed a mask"] += generation.finish_reason == "length"
                tokens += len(generation.token_ids)
                if verdict != "valid":
                    print(f"{file.name}: {verdict}: {generation.text!r}")
            print(f"\r{name}: {tokens} tokens", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        seconds = time.perf_counter() - begin
        print(f"{name}: {counts['valid']} of {n * len(schemas)} valid, {dict(counts)}, {tokens / seconds:.1f} tokens/s")


def chosen(folders: list[Path], limit: int, model: Any, budget: int) -> dict[Path, Any]:
    """The schemas of the folders, in order, that compile and whose shortest texts leave room within the budget."""
    found: dict[Path, Any] = {}
    for folder in folders:
        for file in sorted(folder.glob("*.json"), key=lambda path: (path.name[::-1], path.name)):
            read = json.loads(file.read_text())
            schema = read["schema"] if "tests" in read and "schema" in read else read
            if len(found) < limit:
                try:
                    constraint = gcd.compile(schema=schema, tokenizer=model.tokenizer)
                except GrammarError:
                    continue
                if 2 * constraint.min_tokens_to_end(constraint.start) < budget:
                    found[file] = schema
    print(f"{len(found)} schemas: {', '.join(file.stem for file in found)}", file=sys.stderr)
    return found


def judge(generation: Generation, schema: Any) -> str:
    if generation.error is not None:
        return f"error: {generation.error}"
    try:
        value = json.loads(generation.text)
        kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
        kind(schema, registry=referencing.Registry(), format_checker=FORMATS).validate(value)
    except (ValueError, jsonschema.ValidationError) as error:
        return f"invalid: {str(error).splitlines()[0]}"
    return "valid"


if __name__ == "__main__":
    main()
