"""Bad input to generate and compile: one test on the whole message each; the rest is with models and prompts."""

from __future__ import annotations

import math
import re
from typing import Literal

import pytest
from tiny_models import byte_tokenizer, tiny_byte_model
from toys import TOY, byte_vocabulary

import gcd
from gcd.errors import (
    BadLogits,
    BudgetTooSmall,
    EmptyLanguage,
    GenerationError,
    GrammarError,
    InvalidGrammar,
    ModelError,
    PromptError,
    TokenRejected,
    UnsupportedFeature,
    UnsupportedTokenizer,
    ValidationFailed,
    VocabularyMismatch,
)

VOCABULARY = byte_vocabulary()
WIDTH = VOCABULARY.size
UNIFORM = gcd.ScriptedLM([1.0] * WIDTH, eos_token_ids=VOCABULARY.eos_token_ids)


def message_of(kind: type[Exception], call) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return str(caught.value)


def generate(prompt: object = (), model: object = UNIFORM, **options: object):
    return gcd.generate(model, prompt if prompt != () else [[1]], **{"tokenizer": VOCABULARY, **options})


WANTED = [
    (
        "nothing is wanted",
        {},
        TypeError,
        "say what is wanted by exactly one of schema=, regex=, grammar=, choices=; got none of them",
    ),
    (
        "two things are wanted",
        {"regex": "a", "choices": ["a"]},
        TypeError,
        "say what is wanted by exactly one of schema=, regex=, grammar=, choices=; got regex= and choices=",
    ),
    (
        "a schema of the wrong Python type",
        {"schema": 42},
        InvalidGrammar,
        "schema= takes a dict, a bool, JSON text, a pathlib.Path or a Python type, not int (42)",
    ),
    (
        "a schema that holds what JSON does not",
        {"schema": {"enum": [{1, 2}]}},
        InvalidGrammar,
        "the schema is no JSON value: Object of type set is not JSON serializable",
    ),
    (
        "a path given as str",
        {"schema": "schemas/person.json"},
        InvalidGrammar,
        "schema= takes a str as text, and 'schemas/person.json' looks like the name of a file\n"
        "A file is a pathlib.Path: schema=Path('schemas/person.json').",
    ),
    (
        "a regex of the wrong type",
        {"regex": b"a"},
        InvalidGrammar,
        "regex= takes a str or a pathlib.Path, not bytes (b'a')",
    ),
    (
        "a compiled regex",
        {"regex": re.compile("a+")},
        InvalidGrammar,
        "regex= takes a str or a pathlib.Path, not Pattern (re.compile('a+'))",
    ),
    (
        "choices as one str",
        {"choices": "yes,no"},
        InvalidGrammar,
        "choices= takes a sequence of str, or a pathlib.Path with one a line, not str ('yes,no')",
    ),
    (
        "choices that are no texts",
        {"choices": [1, 2]},
        InvalidGrammar,
        "choices= takes a sequence of str, or a pathlib.Path with one a line, not list ([1, 2])\n"
        "Values other than str are an enum: schema={'enum': [...]}, schema=Literal[...] or an Enum.",
    ),
    (
        "choices as a Literal",
        {"choices": Literal["a"]},
        InvalidGrammar,
        "choices= takes a sequence of str, or a pathlib.Path with one a line, not _LiteralGenericAlias "
        "(typing.Literal['a'])\n"
        "A Literal or an Enum goes into schema=.",
    ),
    (
        "a constraint that is none",
        {"constraint": "[0-9]+"},
        TypeError,
        "constraint= takes what gcd.compile(..., tokenizer=...) returned, not str",
    ),
    (
        "a grammar in GBNF",
        {"grammar": "root ::= 'a'"},
        InvalidGrammar,
        '"\'" cannot stand here (line 1, column 10)\n'
        "    root ::= 'a'\n"
        "             ^\n"
        'strings stand in double quotes: "..."',
    ),
]


@pytest.mark.parametrize(("wanted", "kind", "message"), [case[1:] for case in WANTED], ids=[case[0] for case in WANTED])
def test_what_is_wanted_badly(wanted, kind, message):
    assert message_of(kind, lambda: generate(**wanted)) == message


def test_a_missing_file(tmp_path):
    path = tmp_path / "none.json"
    assert message_of(InvalidGrammar, lambda: generate(schema=path)) == (
        f"schema= names a file that cannot be read: {path}: No such file or directory"
    )


def test_an_existing_file_given_as_str(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "schema").write_text("{}")
    assert message_of(InvalidGrammar, lambda: generate(schema="schema")) == (
        "schema= takes a str as text, and 'schema' looks like the name of a file\n"
        "A file is a pathlib.Path: schema=Path('schema')."
    )


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        ({"schema": '{"type": "string"'}, InvalidGrammar),
        ({"schema": {"type": "strnig"}}, InvalidGrammar),
        ({"regex": "a(b"}, InvalidGrammar),
        ({"regex": r"(a)\1"}, UnsupportedFeature),
        ({"schema": {"type": "string", "const": 1}}, EmptyLanguage),
        ({"choices": []}, GrammarError),
    ],
    ids=str,
)
def test_errors_of_the_front_ends_arrive_before_the_model_is_asked(wanted, kind):
    class Untouchable:
        vocab_size, eos_token_ids = WIDTH, VOCABULARY.eos_token_ids

        def next_logits(self, sequences):
            raise AssertionError("the model was asked")

    with pytest.raises(kind):
        generate(model=Untouchable(), **wanted)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"method": "magic"},
            "method must be 'mask' or 'asap' or 'cars' or 'mcmc' or 'smc' or 'awrs' or 'best_first' or 'beam' or "
            "'distinct' or 'exact' or 'trajectory' or 'dingo' or 'greedy-mask', not 'magic'",
        ),
        ({"errors": "ignore"}, "errors must be 'raise' or 'return', not 'ignore'"),
        ({"jump_ahead": True}, "jump_ahead must be 'forced' or 'off' or 'canonical', not True"),
        ({"n": 0}, "n must be an integer >= 1, not 0"),
        ({"max_new_tokens": 1.5}, "max_new_tokens must be an integer >= 1, not 1.5"),
        ({"batch_size": 0}, "batch_size must be an integer >= 1, not 0"),
        ({"seed": -1}, "seed must be an integer >= 0 or None, not -1"),
        ({"temperature": "hot"}, "temperature must be a number, not 'hot'"),
        ({"top_k": "5"}, "top_k must be a number, not '5'"),
        ({"temperature": -0.5}, "temperature must be a finite number >= 0, not -0.5"),
        ({"regex": ["a", "b"]}, "regex= is a list of 2, one for each prompt, and there is one prompt"),
    ],
    ids=str,
)
def test_arguments_out_of_range(options, message):
    assert message_of(ValueError, lambda: generate(**{"regex": "a", **options})) == message


def test_a_constraint_and_a_goal_exclude_each_other():
    constraint = gcd.compile(regex="a", tokenizer=VOCABULARY)
    assert message_of(TypeError, lambda: generate(constraint=constraint, regex="a")) == (
        "constraint= says what is wanted already: leave out schema=, regex=, grammar= and choices="
    )


def test_schemas_go_with_a_schema():
    constraint = gcd.compile(schema=True, tokenizer=VOCABULARY)
    assert message_of(TypeError, lambda: generate(constraint=constraint, schemas={})) == (
        "schemas= is about a JSON Schema: give it to gcd.compile, which made constraint="
    )
    for call in (generate, gcd.check):
        assert message_of(TypeError, lambda call=call: call(regex="a", schemas={})) == (
            "schemas= is about a JSON Schema: it goes with schema="
        )
        assert message_of(TypeError, lambda call=call: call(regex="a", key_order="any")) == (
            "key_order= is about a JSON Schema: it goes with schema="
        )
    assert message_of(InvalidGrammar, lambda: gcd.check(schema=True, schemas={"a": {"const": {1}}})) == (
        "schemas= has a schema that is no JSON value: Object of type set is not JSON serializable"
    )


PROMPTS = [
    ("an empty batch", [], 'the batch of prompts is empty: give at least one prompt; "" is the empty prompt'),
    ("no prompt", 5, "a prompt is a str, chat messages, token ids, or a list of those, not a value of type int"),
    (
        "one message",
        {"role": "user", "content": "x"},
        "a prompt is a str, chat messages, token ids, or a list of those, not a dict (one chat message goes into a "
        "list)",
    ),
    (
        "a mixed batch",
        ["a", 5],
        "prompt 1 of the batch is neither a str, nor chat messages (dicts with a role), nor token ids, but a value of "
        "type int",
    ),
    (
        "a text without a tokenizer that encodes",
        "hello",
        "a text prompt needs a tokenizer, and a Vocabulary cannot encode text: pass tokenizer=, or the prompt as token "
        "ids",
    ),
    (
        "a chat without a template",
        [{"role": "user", "content": "x"}],
        "the prompt is a list of chat messages, and the tokenizer (Vocabulary) has no chat template: give a str, or a "
        "tokenizer with one",
    ),
    ("an id outside", [[3, 257]], "token 257 of the prompt is outside the model's vocabulary of 257"),
]


@pytest.mark.parametrize(("prompt", "message"), [case[1:] for case in PROMPTS], ids=[case[0] for case in PROMPTS])
def test_prompts_that_are_none(prompt, message):
    with pytest.raises(PromptError) as caught:
        gcd.generate(UNIFORM, prompt, regex="a", tokenizer=VOCABULARY)
    assert str(caught.value) == message


def test_arrays_are_told_how_to_become_prompts():
    import torch

    assert message_of(PromptError, lambda: generate(torch.tensor([[1, 2]]), regex="a")) == (
        "a prompt is a str, chat messages, token ids, or a list of those, not a value of type Tensor; call .tolist() "
        "on arrays and tensors"
    )


def test_an_empty_prompt_without_bos():
    model = gcd.TransformersLM(tiny_byte_model(), byte_tokenizer())
    model.bos_token_id = None
    assert message_of(PromptError, lambda: gcd.generate(model, "", regex="a")) == (
        "the prompt is empty and the model has no BOS token to start from: give a prompt of at least one token"
    )


def test_a_chat_that_the_template_refuses():
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    model = gcd.TransformersLM(tiny_byte_model(), tokenizer)
    assert message_of(PromptError, lambda: gcd.generate(model, [{"role": "a", "content": "x"}], regex="a")) == (
        "the chat template refuses the messages: roles must alternate"
    )


def test_no_tokenizer():
    assert message_of(UnsupportedTokenizer, lambda: generate(regex="a", tokenizer=None)) == (
        "no tokenizer was given: pass tokenizer=, or a Vocabulary by hand"
    )


def test_canonical_jumping_needs_a_tokenizer_that_encodes():
    assert message_of(UnsupportedTokenizer, lambda: generate(regex="a", jump_ahead="canonical")) == (
        "jump_ahead='canonical' needs a tokenizer that encodes text, and a Vocabulary does not"
    )


def test_the_recogniser_has_the_last_word(monkeypatch):
    from grammars.automaton import ByteAutomaton

    monkeypatch.setattr(ByteAutomaton, "accepts", lambda self, data: False)
    assert message_of(ValidationFailed, lambda: generate(regex="abc")) == (
        "the generated text does not validate: abc\n"
        "  the grammar's own recogniser refuses it: please report this as a bug"
    )
    assert generate(regex="abc", validate=False)[0].value == "abc"


def test_a_model_narrower_than_the_vocabulary():
    narrow = gcd.ScriptedLM([1.0] * 200, eos_token_ids=[5])
    assert message_of(VocabularyMismatch, lambda: generate(model=narrow, regex="a")) == (
        "the constraint's vocabulary has 257 tokens and the model's logits are 200 wide: they do not belong together, "
        "or the model's embeddings were not resized after tokens were added"
    )


def test_a_vocabulary_without_the_bytes_of_the_grammar():
    model = gcd.ScriptedLM([1.0] * 8, eos_token_ids=[5])
    with pytest.raises(VocabularyMismatch):
        generate(model=model, regex="[0-9]", tokenizer=TOY)


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (
            1,
            "max_new_tokens=1 is impossible: the shortest text of the grammar needs at least 6 tokens with EOS; "
            "max_new_tokens=6 suffices",
        ),
        (
            5,
            "max_new_tokens=5 is impossible: the shortest text of the grammar needs at least 6 tokens with EOS; "
            "max_new_tokens=6 suffices",
        ),
    ],
)
def test_an_impossible_budget(budget, message):
    assert message_of(BudgetTooSmall, lambda: generate(regex="[a-z]{5}", max_new_tokens=budget)) == message


def logits_that(change):
    def row(prefix):
        values = [1.0] * WIDTH
        if len(prefix) == 3:
            change(values)
        return values

    return gcd.ScriptedLM(row, eos_token_ids=VOCABULARY.eos_token_ids, vocab_size=WIDTH)


OVERFLOW = "Half precision overflows so: load the model with dtype='float32' or 'bfloat16', and check its weights."
BAD = [
    ("NaN", lambda row: row.__setitem__(slice(0, 4), [math.nan] * 4), f"are NaN for 4 of 257 tokens\n{OVERFLOW}"),
    ("infinite", lambda row: row.__setitem__(0, math.inf), f"are +inf for 1 of 257 tokens\n{OVERFLOW}"),
    (
        "nowhere",
        lambda row: row.__setitem__(slice(97, 99), [0.0, 0.0]),
        "are -inf for each of the 2 tokens that the grammar allows\n"
        "The model gives these tokens no probability at all: is it the model that the tokenizer belongs to?",
    ),
]


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
@pytest.mark.parametrize("temperature", [0, 1])
def test_logits_that_are_no_distribution(change, message, temperature):
    with pytest.raises(BadLogits) as caught:
        generate(model=logits_that(change), regex="xx[ab]", temperature=temperature, jump_ahead="off")
    assert str(caught.value) == f"at step 2, after 'xx', the model's logits {message}"


def test_nan_under_a_forced_token_is_an_error_as_well():
    with pytest.raises(BadLogits) as caught:
        generate(model=logits_that(BAD[0][1]), regex="xxxx")
    assert str(caught.value) == f"at step 2, after 'xx', the model's logits are NaN for 4 of 257 tokens\n{OVERFLOW}"


def test_a_token_that_is_not_allowed():
    constraint = gcd.compile(regex="[ab]c", tokenizer=VOCABULARY)
    with pytest.raises(TokenRejected) as caught:
        constraint.advance(constraint.start, 100)
    assert str(caught.value).startswith("token 100 (b'd') stopped at byte 0; expected ")


def test_errors_pickle():
    import pickle

    for error in (ValidationFailed("{}", ["a", "b"]), BadLogits("are NaN", "hint", step=3, text="x"), ModelError("m")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))
        assert isinstance(again, GenerationError)


def test_validation_failed_shows_long_texts_in_part():
    assert str(ValidationFailed("x" * 300, ["too long"])) == (
        f"the generated text does not validate: {'x' * 200}… (300 characters)\n  too long"
    )
