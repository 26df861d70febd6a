"""generate(): what is wanted comes back as a value, from models whose weights are random and so as hostile as any."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import random
import re
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pydantic
import pytest
import torch
from tiny_models import byte_tokenizer, tiny_byte_model
from toys import byte_vocabulary

import gcd
from gcd.errors import BadLogits, BudgetTooSmall, InvalidGrammar, PromptError, ValidationFailed
from gcd.models.protocols import StatelessSession

BOS, EOS, END = 256, 257, 258
PAIR = re.compile("[0-9]{2}[a-z]{1,3}")


@pytest.fixture(scope="module")
def model():
    return gcd.TransformersLM(tiny_byte_model(), byte_tokenizer())


@dataclasses.dataclass
class City:
    name: Annotated[str, pydantic.Field(max_length=5)]
    size: Literal["small", "large"]


class Person(pydantic.BaseModel):
    age: Annotated[int, pydantic.Field(ge=0, le=120)]
    city: City


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


def order(item: Literal["tea", "coffee"], cups: Annotated[int, pydantic.Field(ge=1, le=9)]) -> str:
    raise AssertionError("the function is never called")


SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 99}, "b": {"enum": ["x", "yy"]}},
    "required": ["a", "b"],
    "additionalProperties": False,
}
VALUES = [
    ({"regex": PAIR.pattern}, lambda v: PAIR.fullmatch(v)),
    ({"choices": ["yes", "no"]}, lambda v: v in ("yes", "no")),
    ({"grammar": 'start: "a" NUMBER\nNUMBER: /[0-9]{1,3}/'}, lambda v: re.fullmatch("a[0-9]{1,3}", v)),
    ({"schema": SCHEMA}, lambda v: set(v) == {"a", "b"} and 0 <= v["a"] <= 99 and v["b"] in ("x", "yy")),
    ({"schema": json.dumps(SCHEMA)}, lambda v: v["b"] in ("x", "yy")),
    ({"schema": {"const": 1.5}}, lambda v: v == 1.5),
    ({"schema": Person}, lambda v: isinstance(v, Person) and isinstance(v.city, City) and len(v.city.name) <= 5),
    ({"schema": City}, lambda v: isinstance(v, City) and v.size in ("small", "large")),
    ({"schema": Colour}, lambda v: isinstance(v, Colour)),
    ({"schema": Literal["a", "b"]}, lambda v: v in ("a", "b")),
    ({"schema": list[bool]}, lambda v: isinstance(v, list)),
    ({"schema": order}, lambda v: v["item"] in ("tea", "coffee") and 1 <= v["cups"] <= 9),
]


@pytest.mark.parametrize(("wanted", "right"), VALUES, ids=range(len(VALUES)))
def test_every_kind_comes_back_as_its_value(model, wanted, right):
    for generation in gcd.generate(model, "Tell me:", n=8, max_new_tokens=200, seed=0, **wanted):
        assert right(generation.value), generation
        assert generation.error is None
        assert generation.token_ids[-1] in (EOS, END)
        assert bytes(generation.token_ids[:-1]).decode() == generation.text


def test_a_path_is_read_and_a_choices_file_has_one_a_line(model, tmp_path):
    (tmp_path / "s.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "c.txt").write_text("one\ntwo\n")
    (tmp_path / "r.regex").write_text("[ab]{3}\n")
    assert gcd.generate(model, "", schema=tmp_path / "s.json").value["b"] in ("x", "yy")
    assert gcd.generate(model, "", choices=tmp_path / "c.txt").value in ("one", "two")
    assert re.fullmatch("[ab]{3}", gcd.generate(model, "", regex=tmp_path / "r.regex").value)


def test_what_a_prompt_becomes(model):
    def ids(prompt, **options):
        return gcd.generate(model, prompt, choices=["a"], **options).prompt_token_ids

    assert ids("hi") == (BOS, *b"hi")
    assert ids("") == (BOS,)
    assert ids([1, 2, 3]) == (1, 2, 3)
    assert ids((1, 2, 3)) == (1, 2, 3)
    assert ids([{"role": "user", "content": "hi"}]) == (BOS, *b"[user]hi\n[assistant]")
    several = gcd.generate(model, ["hi", [7], [{"role": "user", "content": "x"}]], choices=["a"])
    assert [g.prompt_token_ids for g in several] == [(BOS, *b"hi"), (7,), (BOS, *b"[user]x\n[assistant]")]


def test_the_shape_of_the_answer_follows_prompts_and_n(model):
    assert isinstance(gcd.generate(model, "x", choices=["a", "b"]), gcd.Generation)
    assert len(gcd.generate(model, "x", choices=["a", "b"], n=3)) == 3
    assert len(gcd.generate(model, ["x"], choices=["a", "b"])) == 1
    assert len(gcd.generate(model, ["x", "y"], choices=["a", "b"], n=3, batch_size=4)) == 6


def test_one_goal_for_each_prompt(model):
    prompts = ["x", "y"]
    assert next(g.value for g in gcd.generate(model, prompts, schema=[{"const": 1}, Colour], n=1, seed=2)) == 1
    assert [g.value for g in gcd.generate(model, prompts, choices=[["a"], ["b"]])] == ["a", "b"]
    assert [g.value for g in gcd.generate(model, prompts, regex=["a", "b"])] == ["a", "b"]
    constraints = [gcd.compile(choices=[text], tokenizer=model) for text in "ab"]
    assert [g.value for g in gcd.generate(model, prompts, constraint=constraints)] == ["a", "b"]


def test_a_constraint_gives_the_value_that_it_was_compiled_for(model):
    assert gcd.generate(model, "", constraint=gcd.compile(schema=Colour, tokenizer=model)).value in Colour
    assert gcd.generate(model, "", constraint=gcd.compile(schema={"const": 5}, tokenizer=model)).value == 5


def test_constraints_are_compiled_once_and_key_order_matters(model):
    first, second = {"type": "object", "required": ["a", "b"]}, {"required": ["a", "b"], "type": "object"}
    assert gcd.compile(schema=first, tokenizer=model) is gcd.compile(schema=dict(first), tokenizer=model)
    assert gcd.compile(schema=first, tokenizer=model) is not gcd.compile(schema=second, tokenizer=model)
    assert gcd.compile(regex="a", tokenizer=model) is not gcd.compile(regex="a", tokenizer=byte_vocabulary())
    assert gcd.compile(schema=first, tokenizer=model, whitespace="compact") is not gcd.compile(
        schema=first, tokenizer=model
    )


def test_the_same_seed_gives_the_same_texts_and_is_returned(model):
    first = gcd.generate(model, "x", regex="[a-z]{20}", n=3)
    again = gcd.generate(model, "x", regex="[a-z]{20}", n=3, seed=first[0].seed)
    assert [g.text for g in first] == [g.text for g in again]
    assert len({g.text for g in first}) == 3
    assert first[0].seed != gcd.generate(model, "x", regex="[a-z]{20}").seed


def test_a_row_does_not_depend_on_the_batch_around_it():
    vocabulary = byte_vocabulary()
    model = gcd.ScriptedLM(
        lambda prefix: [random.Random(f"{prefix[-3:]}{i}").random() for i in range(vocabulary.size)],
        eos_token_ids=vocabulary.eos_token_ids,
        vocab_size=vocabulary.size,
    )

    def texts(prompt, **options):
        found = gcd.generate(model, prompt, regex="[a-z]{5,9}", tokenizer=vocabulary, seed=4, **options)
        return [g.text for g in found] if isinstance(found, list) else [found.text]

    batch = texts([[1], [2], [3]], n=4)
    assert texts([[1], [2], [3]], n=4, batch_size=5) == batch
    assert texts([1], n=4) == batch[:4]
    assert texts([1]) == batch[:1]
    assert texts([[1], [2]], n=2) == batch[0:2] + batch[4:6]


def test_global_random_numbers_are_left_alone(model):
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    gcd.generate(model, "x", regex="[a-z]{5}")
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])
    assert before[2] == random.getstate()


def test_log_probabilities_are_those_of_the_model_alone(model):
    """Recomputed from one uncached forward pass over prompt and text, for a text with forced tokens in it."""
    generation = gcd.generate(model, "Say", regex="Dear [A-Z][a-z]{2,5}, hello", seed=3)
    ids = torch.tensor([[*generation.prompt_token_ids, *generation.token_ids]])
    logits = model.model(ids).logits[0].log_softmax(dim=-1)
    start = len(generation.prompt_token_ids)
    scores = [logits[start + k - 1, token].item() for k, token in enumerate(generation.token_ids)]
    assert generation.logprob == pytest.approx(sum(scores), abs=1e-3)
    assert generation.logprob < generation.masked_logprob <= 0


def test_greedy_is_what_transformers_generates_with_the_logits_processor(model):
    tokenizer = byte_tokenizer()
    for pattern in ("[a-z]{3,30}", '"[^"]{0,20}"', "(ab|cd|[x-z]+){2,8}"):
        constraint = gcd.compile(regex=pattern, tokenizer=model)
        mine = gcd.generate(model, "Go", constraint=constraint, temperature=0)
        theirs = model.model.generate(
            **tokenizer("Go", return_tensors="pt", return_token_type_ids=False), max_new_tokens=60, do_sample=False,
            logits_processor=[gcd.GrammarLogitsProcessor(constraint)], top_k=None, top_p=None, temperature=None,
        )  # fmt: skip
        assert list(mine.token_ids) == theirs[0, 3:].tolist()
        assert mine.masked_logprob == 0


def test_knobs_of_the_generation_config_are_ignored_and_all_its_eos_ids_used(model):
    """The checkpoint says top_k=1 and temperature=0.01; its second EOS is none of the tokenizer's."""
    found = gcd.generate(model, "x", regex="[a-z]{2,}", n=40, max_new_tokens=8, seed=0)
    assert len({g.text for g in found}) > 30
    assert {g.token_ids[-1] for g in found} == {EOS, END}


@pytest.mark.parametrize("jump_ahead", ["off", "forced", "canonical"])
def test_jumping_ahead_saves_forward_passes(model, jump_ahead):
    generation = gcd.generate(model, "x", regex="a long beginning [0-9]{3} and an end", jump_ahead=jump_ahead, seed=1)
    assert re.fullmatch("a long beginning [0-9]{3} and an end", generation.text)
    # free are three digits and, in the end, which of two EOS
    assert generation.model_calls == (len(generation.token_ids) if jump_ahead == "off" else 4)


def test_rows_that_jump_differently_share_one_batch(model):
    patterns = ["aaaaaaaa[0-9]bbbbbb[0-9]", "[0-9]{12}", "x"]
    alone = [gcd.generate(model, "x", regex=p, temperature=0) for p in patterns]
    batch = gcd.generate(model, ["x"] * 3, regex=patterns, temperature=0)
    assert [g.text for g in batch] == [g.text for g in alone]
    assert [g.model_calls for g in batch] == [g.model_calls for g in alone]
    for one, other in zip(batch, alone, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-3)


@pytest.mark.parametrize("budget", [5, 6, 9, 30])
def test_every_text_is_complete_within_its_budget(model, budget):
    found = gcd.generate(model, "x", regex='"[^"]*"[0-9]{2}', n=10, max_new_tokens=budget, seed=5)
    for generation in found:
        assert re.fullmatch('"[^"]*"[0-9]{2}', generation.text)
        assert len(generation.token_ids) <= budget
        assert (generation.finish_reason == "length") == (generation.budget_bound_at is not None)
    assert {g.finish_reason for g in found} >= ({"length"} if budget < 10 else {"stop"})


def test_the_context_of_the_model_bounds_the_budget(model):
    generation = gcd.generate(model, [5] * 100, regex="[a-z]*", temperature=1, max_new_tokens=500, seed=0)
    assert len(generation.token_ids) <= 28


def test_errors_are_returned_row_by_row(model):
    found = gcd.generate(
        model, ["a", "b", "c", []], regex=["x{3}", "(", "y{400}", "z"], max_new_tokens=100, errors="return"
    )
    assert [(g.value, g.finish_reason, type(g.error)) for g in found] == [
        ("xxx", "stop", type(None)),
        (None, "error", InvalidGrammar),
        (None, "error", BudgetTooSmall),
        ("z", "stop", type(None)),
    ]


class Odd(pydantic.BaseModel):
    number: Annotated[int, pydantic.Field(ge=0, le=9)]

    @pydantic.field_validator("number")
    @classmethod
    def check_odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("not odd")
        return value


def test_what_no_automaton_holds_ends_in_validation_failed(model):
    found = gcd.generate(model, "x", schema=Odd, n=12, errors="return", seed=1, whitespace="compact")
    failed = [g for g in found if g.error is not None]
    assert all(g.value.number % 2 for g in found if g.error is None)
    assert 0 < len(failed) < 12
    text = failed[0].text
    assert isinstance(failed[0].error, ValidationFailed)
    assert (failed[0].value, failed[0].finish_reason) == (None, "stop")
    assert str(failed[0].error) == (f"the generated text does not validate: {text}\n  number: Value error, not odd")
    with pytest.raises(ValidationFailed) as caught:
        gcd.generate(model, "x", schema=Odd, n=12, seed=1, whitespace="compact")
    assert [g.text for g in caught.value.generations] == [g.text for g in found if g.error is None]


def test_one_row_with_nan_does_not_lose_the_batch():
    vocabulary = byte_vocabulary()
    model = gcd.ScriptedLM(
        lambda prefix: [math.nan if prefix[:1] == (7,) and len(prefix) == 3 else 1.0] * vocabulary.size,
        eos_token_ids=vocabulary.eos_token_ids,
        vocab_size=vocabulary.size,
    )
    found = gcd.generate(
        model, [[6], [7], [8]], regex="[ab]{4}", tokenizer=vocabulary, errors="return", jump_ahead="off"
    )
    assert [g.finish_reason for g in found] == ["stop", "error", "stop"]
    assert isinstance(found[1].error, BadLogits)
    assert (found[1].error.step, found[1].text) == (2, found[1].error.text)
    with pytest.raises(BadLogits) as caught:
        gcd.generate(model, [[6], [7], [8]], regex="[ab]{4}", tokenizer=vocabulary)
    assert [g.prompt_token_ids for g in caught.value.generations] == [(6,), (8,)]


def test_logits_wider_than_the_tokenizer_are_padding():
    vocabulary = byte_vocabulary()
    model = gcd.ScriptedLM([1.0] * 400, eos_token_ids=vocabulary.eos_token_ids)
    generation = gcd.generate(model, regex="[a-z]{30}", tokenizer=vocabulary)
    assert re.fullmatch("[a-z]{30}", generation.text)


def test_any_object_with_three_names_is_a_model():
    class Uniform:
        vocab_size = 257
        eos_token_ids = (256,)

        def next_logits(self, sequences):
            return torch.zeros(len(sequences), 257, dtype=torch.bfloat16)

    generation = gcd.generate(Uniform(), regex="[01]{8}", tokenizer=byte_vocabulary())
    assert generation.logprob == pytest.approx(9 * math.log(1 / 257), abs=1e-4)
    assert generation.masked_logprob == pytest.approx(8 * math.log(1 / 2), abs=1e-4)
    assert isinstance(gcd.models.protocols.open_session(Uniform(), [[]]), StatelessSession)


def test_progress_goes_to_stderr(model, capsys):
    gcd.generate(model, "x", regex="[a-z]{5}", n=2, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(r"\r2 of 2 texts, 12 tokens, [0-9.]+ tokens/s +\n$", err)


def test_prompts_that_leave_no_room_are_refused(model):
    with pytest.raises(PromptError) as caught:
        gcd.generate(model, [5] * 120, regex="[a-z]{20}")
    assert str(caught.value) == (
        "the prompt has 120 tokens and the model's context 128: the 8 that are left may not suffice to finish inside "
        "the grammar; 21 would"
    )


@pytest.mark.slow
def test_the_embedded_model_answers_with_an_instance(embedded_model):
    messages = [{"role": "user", "content": "Describe a person in JSON with age and city."}]
    generation = gcd.generate(embedded_model, messages, schema=Person, seed=0, max_new_tokens=80)
    assert isinstance(generation.value, Person)
    assert Path(gcd.load(embedded_model).model.config.name_or_path).name == "smollm2"


def test_options_of_schemas_reach_the_grammar_and_the_validator(model):
    schema = {
        "type": "object",
        "properties": {"a": {"enum": [1]}, "b": {"type": "string", "format": "date", "maxLength": 1}},
    }
    common = {"schema": {**schema, "required": ["a", "b"]}, "additional_properties": False}
    with pytest.raises(gcd.errors.EmptyLanguage):
        gcd.generate(model, "a", **common)
    values = gcd.generate(model, "a", **common, formats=False, key_order="any", n=40, seed=1, max_new_tokens=60)
    assert all(value.keys() == {"a", "b"} for value in (generation.value for generation in values))
    assert {next(iter(generation.value)) for generation in values} == {"a", "b"}
    assert {generation.widened for generation in values} == {()}


def test_what_is_left_open_is_said_and_validated(model):
    bits = {"type": "array", "items": {"enum": [0, 1]}, "minItems": 2, "maxItems": 2, "not": {"uniqueItems": True}}
    options = {"schema": bits, "approximate": "over", "n": 20, "seed": 1, "errors": "return", "max_new_tokens": 80}
    found = gcd.generate(model, "a", **options)
    reason = "the opposite of uniqueItems is not supported (at #/not/uniqueItems)"
    assert all(len(g.widened) == 1 and g.widened[0].startswith(reason) for g in found)
    assert {type(g.error).__name__ for g in found} == {"NoneType", "ValidationFailed"}
    assert all(g.value in ([0, 0], [1, 1]) for g in found if g.error is None)
    assert all(g.error is None for g in gcd.generate(model, "a", **options, validate=False))


def test_references_lead_to_the_schemas_given_beside(model):
    schema, schemas = {"$ref": "https://x.org/a"}, {"https://x.org/a": {"type": "array", "items": {"$ref": "b"}}}
    options = {"schema": schema, "tokenizer": model.tokenizer}
    for part in ({"enum": [1, 2]}, {"const": "x"}):  # the same schema with others beside is another grammar
        schemas["https://x.org/b"] = part
        constraint = gcd.compile(**options, schemas=schemas)
        assert constraint.automaton.accepts(b"[1, 2]") == ("enum" in part)
        value = gcd.generate(model, "a", seed=1, schema=schema, schemas=schemas, max_new_tokens=60).value
        assert set(value) <= {1, 2, "x"}
        assert gcd.generate(model, "a", seed=1, constraint=constraint, max_new_tokens=60).value == value
    assert gcd.stream(model, "a", seed=1, schema=schema, schemas=schemas, max_new_tokens=60).result.value == value
    assert not gcd.check(schema=schema).ok
    goals = [schema, {"const": 1}]
    many = gcd.generate(model, ["a", "b"], seed=1, schema=goals, schemas=schemas, max_new_tokens=60)
    assert [generation.error for generation in many] == [None, None]


def test_a_generation_has_its_captures() -> None:
    vocabulary = gcd.Vocabulary(
        [*(bytes([i]) for i in range(128)), b"", b""], eos_token_ids=[129], special_tokens={"<x>": 128}
    )
    city = gcd.capture("city", gcd.choices(["Ulm"]))
    wanted = city + gcd.special("<x>").times(2, 2) + " to " + city + gcd.capture("rest", gcd.regex("[.!]") | city)
    model = gcd.ScriptedLM([1.0] * 130, eos_token_ids=[129])
    gen = gcd.generate(model, "", grammar=wanted, tokenizer=vocabulary, seed=3)
    assert gen.captures == {"city": ("Ulm", "Ulm"), "rest": (gen.text.removeprefix("Ulm to Ulm"),)}
    assert gcd.generate(model, "", regex="a", tokenizer=vocabulary).captures == {}
