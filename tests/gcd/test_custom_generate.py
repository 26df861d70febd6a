"""`constrained` inside transformers' own generate: the texts of gcd.generate, or a refusal of what would be lost."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
import torch
import transformers
from tiny_models import byte_tokenizer, tiny_byte_model

import gcd
from gcd.errors import BudgetTooSmall, UnsupportedFeature
from gcd.integrations.custom_generate import HINT, constrained

MODEL, TOKENIZER = tiny_byte_model(), byte_tokenizer()
TOKENIZER.pad_token, TOKENIZER.padding_side = "<eos>", "left"
EOS = (257, 258)
PATTERNS = ("[0-9]{4}", "a+b", "(xy)*z")
CONSTRAINTS = [gcd.compile(regex=pattern, tokenizer=TOKENIZER, eos_token_ids=EOS) for pattern in PATTERNS]
PROMPTS = ["Born in", "a", "Go on, "]


def made(**options: Any) -> list[list[int]]:
    """What stands behind the prompts, up to the first EOS, which must be there, with padding alone behind it."""
    inputs = TOKENIZER(PROMPTS, return_tensors="pt", padding=True, return_token_type_ids=False)
    settings: dict[str, Any] = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "max_new_tokens": 8}
    rows = MODEL.generate(**inputs, custom_generate=constrained, pad_token_id=0, **{**settings, **options})
    width = inputs["input_ids"].shape[1]
    each = len(rows) // len(PROMPTS)
    assert rows[:, :width].equal(inputs["input_ids"].repeat_interleave(each, dim=0))
    found = []
    for row in rows[:, width:].tolist():
        end = next(place for place, token in enumerate(row) if token in EOS)
        assert not any(row[end + 1 :])
        found.append(row[: end + 1])
    return found


def test_each_row_is_the_text_of_generate() -> None:
    """In a padded batch with a constraint for each prompt; knobs and greed mean the same here and there."""
    seed = random.randrange(2**32)
    for knobs, ours in (
        ({}, {}),
        ({"temperature": 0.5, "top_k": 3, "top_p": 0.9, "min_p": 0.01}, None),
        ({"do_sample": False}, {"temperature": 0}),
    ):
        there = made(constraint=CONSTRAINTS, seed=seed, **knobs)
        here = gcd.generate(
            MODEL, PROMPTS, tokenizer=TOKENIZER, constraint=CONSTRAINTS, max_new_tokens=8, seed=seed,
            **(knobs if ours is None else ours),
        )  # fmt: skip
        assert there == [list(each.token_ids) for each in here], f"seed {seed}: {knobs}"


def test_rows_of_one_prompt_stand_together_and_follow_set_seed() -> None:
    def texts() -> list[str]:
        rows = made(constraint=CONSTRAINTS, num_return_sequences=3)
        return [bytes(row[:-1]).decode() for row in rows]

    transformers.set_seed(7)
    first = texts()
    for place, text in enumerate(first):
        assert re.fullmatch(PATTERNS[place // 3], text)
    assert len(set(first)) > 3
    assert texts() != first
    transformers.set_seed(7)
    assert texts() == first


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_beams": 2, "do_sample": False}, "beam search is another loop"),
        ({"repetition_penalty": 1.2}, "RepetitionPenaltyLogitsProcessor changes scores"),
        ({"max_time": 1.0}, "MaxTimeCriteria would cut texts"),
        ({"return_dict_in_generate": True}, "return_dict_in_generate asks for what is not kept"),
        ({"inputs_embeds": torch.zeros(3, 9, 32)}, "inputs_embeds is read by no loop of ours"),
    ],
)
def test_what_would_be_lost_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsupportedFeature) as caught:
        made(constraint=CONSTRAINTS[0], **options)
    assert str(caught.value) == f"{message}, and does not go with custom_generate=constrained\n{HINT}"


def test_what_is_missing_or_too_small_is_said() -> None:
    with pytest.raises(ValueError, match=r"^custom_generate=constrained needs constraint=, which gcd.compile returns$"):
        made()
    with pytest.raises(ValueError, match=r"^constraint= is a list of 2, which 3 rows are no multiple of$"):
        made(constraint=CONSTRAINTS[:2])
    with pytest.raises(BudgetTooSmall):
        made(constraint=CONSTRAINTS[0], max_new_tokens=4)
