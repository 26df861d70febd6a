"""GrammarLogitsProcessor inside transformers' own generate, and as a function of its rows."""

from __future__ import annotations

import math

import pytest
import torch
import transformers
from tiny_models import tiny_model
from toys import EOS, TOKENS, TOY, finite

from gcd import GrammarLogitsProcessor
from gcd.errors import BadLogits, NoAllowedToken, VocabularyMismatch
from tokenizer_align.vocabulary import Vocabulary

TEXTS = ("ab", "aab", "abab", "c", "ba", "bac", "é")
WIDTH = 64  # the tiny models' vocabulary: the toy's 8 tokens and padding
PROMPT = [[9, 10, 11, 12]]
GENERATE = {
    "max_new_tokens": 12, "eos_token_id": EOS, "pad_token_id": 0, "use_cache": True,
}  # fmt: skip


def text_of(row: list[int], prompt: int = 4) -> str:
    """The text of a finished row; fails unless EOS ended it, with only padding behind (beam search pads by EOS)."""
    generated = row[prompt:]
    end = generated.index(EOS)
    assert set(generated[end + 1 :]) <= {0, EOS}
    return b"".join(TOKENS[t] for t in generated[:end]).decode()


@pytest.fixture(scope="module")
def model():
    return tiny_model("llama", pad_token_id=0)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_sampling_with_several_sequences(kind):
    processor = GrammarLogitsProcessor(finite(TEXTS))
    torch.manual_seed(5)
    rows = tiny_model(kind).generate(
        torch.tensor(PROMPT), logits_processor=[processor], do_sample=True, num_return_sequences=20, **GENERATE
    )
    texts = {text_of(row) for row in rows.tolist()}
    assert texts <= set(TEXTS)
    assert len(texts) > 2


def test_batch_with_left_padding(model):
    processor = GrammarLogitsProcessor(finite(TEXTS))
    torch.manual_seed(6)
    ids = torch.tensor([[0, 0, 0, 9], [9, 10, 11, 12], [0, 9, 9, 9]])
    rows = model.generate(
        ids, attention_mask=(ids != 0).long(), logits_processor=[processor], do_sample=True,
        num_return_sequences=4, **GENERATE,
    )  # fmt: skip
    assert {text_of(row) for row in rows.tolist()} <= set(TEXTS)


@pytest.mark.parametrize(
    "flags",
    [
        {"do_sample": False},
        {"do_sample": True, "num_return_sequences": 5},
        {"do_sample": False, "num_beams": 4, "num_return_sequences": 3},
        {"do_sample": True, "num_beams": 6, "num_return_sequences": 2},
    ],
    ids=["greedy", "sampling", "beams", "sampled beams"],
)
def test_one_constraint_for_each_prompt(model, flags):
    """The first two prompts are equal, so that only their place tells the rows apart; no language is out of beams."""
    languages = [{"ab", "abab"}, {"ba", "bac", "cc"}, {"é", *("c" * count for count in range(1, 9))}]
    torch.manual_seed(7)
    ids = torch.tensor([PROMPT[0], PROMPT[0], [0, 0, 9, 10]])
    rows = model.generate(
        ids, attention_mask=(ids != 0).long(), logits_processor=[GrammarLogitsProcessor([*map(finite, languages)])],
        **{**GENERATE, **flags},
    )  # fmt: skip
    each = flags.get("num_return_sequences", 1)
    assert len(rows) == len(languages) * each
    texts = [text_of(row) for row in rows.tolist()]
    for prompt, language in enumerate(languages):
        assert set(texts[each * prompt : each * (prompt + 1)]) <= language


def test_beam_search_finds_the_likeliest_text(model):
    """With enough beams the best beam is the best text by enumeration, whatever rows were exchanged on the way."""
    constraint = finite(TEXTS)
    found = model.generate(
        torch.tensor(PROMPT), logits_processor=[GrammarLogitsProcessor(constraint)], num_beams=24,
        num_return_sequences=3, do_sample=False, length_penalty=0.0, return_dict_in_generate=True, output_scores=True,
        **GENERATE,
    )  # fmt: skip

    def score(ids: list[int]) -> float:
        logits = model(torch.tensor([PROMPT[0] + ids])).logits[0].log_softmax(dim=-1)
        return sum(logits[3 + k, token].item() for k, token in enumerate(ids))

    spellings: list[tuple[float, list[int]]] = []

    def walk(state, ids):
        for token in range(len(TOKENS)):
            after = constraint.try_advance(state, token)
            if after is not None and token == EOS:
                spellings.append((score([*ids, EOS]), [*ids, EOS]))
            elif after is not None:
                walk(after, [*ids, token])

    walk(constraint.start, [])
    best = [ids for _, ids in sorted(spellings, reverse=True)[:3]]
    rows = found.sequences.tolist()
    assert [row[4 : row.index(EOS, 4) + 1] for row in rows] == best


def test_assisted_generation_gives_what_greedy_gives(model):
    constraint = finite(TEXTS)
    plain = model.generate(
        torch.tensor(PROMPT), logits_processor=[GrammarLogitsProcessor(constraint)], do_sample=False, **GENERATE
    )
    assisted = model.generate(
        torch.tensor(PROMPT), logits_processor=[GrammarLogitsProcessor(constraint)], do_sample=False,
        assistant_model=tiny_model("gpt2"), **GENERATE,
    )  # fmt: skip
    assert assisted.tolist() == plain.tolist()
    assert text_of(plain[0].tolist()) in TEXTS


@pytest.mark.parametrize("sample", [False, True])
def test_prompt_lookup(model, sample):
    """Candidates come from the prompt: some of them are refused, and rows come back shorter."""
    prompt = torch.tensor([[9, 0, 1, 0, 1, 4, 3, 4, 0, 2, 9, 0, 1]])
    constraint = finite(["ab" * 4, "abc" * 3, "ba"])
    torch.manual_seed(8)
    rows = model.generate(
        prompt, logits_processor=[GrammarLogitsProcessor(constraint)], do_sample=sample,
        prompt_lookup_num_tokens=3, **GENERATE,
    )  # fmt: skip
    assert text_of(rows[0].tolist(), prompt.shape[1]) in ("ab" * 4, "abc" * 3, "ba")


def test_all_eos_ids_of_a_generation_config_may_end_the_text(model):
    processor = GrammarLogitsProcessor(finite(["ab"]), eos_token_ids=[40, 41])
    start = torch.tensor([[9]])
    processor(start, torch.zeros(1, WIDTH))
    scores = processor(torch.tensor([[9, 2]]), torch.zeros(1, WIDTH))
    assert scores[0].isfinite().nonzero().flatten().tolist() == [EOS, 40, 41]
    rows = model.generate(
        torch.tensor(PROMPT), logits_processor=[GrammarLogitsProcessor(finite(["ab"]), eos_token_ids=[40, 41])],
        do_sample=False, **{**GENERATE, "eos_token_id": [EOS, 40, 41]},
    )  # fmt: skip
    assert rows[0, -1].item() in (EOS, 40, 41)


# As a function of its rows, called as a loop would.


def allowed(scores: torch.Tensor) -> list[list[int]]:
    return [row.isfinite().nonzero().flatten().tolist() for row in scores]


def test_scores_are_never_written_in_place_and_keep_their_dtype():
    scores = torch.zeros(2, WIDTH, dtype=torch.bfloat16)
    masked = GrammarLogitsProcessor(finite(["ab"]))(torch.tensor([[9], [9]]), scores)
    assert (scores == 0).all()
    assert masked.dtype == torch.bfloat16
    assert allowed(masked) == [[0, 2], [0, 2]]


def test_rows_may_come_back_shorter_reordered_and_repeated():
    processor = GrammarLogitsProcessor(finite(["aab", "ba", "c"]))

    def ask(*rows):
        return allowed(processor(torch.tensor(rows), torch.zeros(len(rows), WIDTH)))

    assert ask([9], [9]) == [[0, 1, 3, 4]] * 2
    assert ask([9, 0], [9, 1]) == [[0, 2], [0]]
    assert ask([9, 1], [9, 0]) == [[0], [0, 2]]
    assert ask([9, 0, 0], [9, 1, 0]) == [[1], [EOS]]
    assert ask([9, 0], [9, 0]) == [[0, 2]] * 2
    assert ask([9, 0, 2], [9, 0, 2]) == [[EOS]] * 2


def test_ended_rows_and_rows_outside_the_language_may_take_eos_only():
    """Past EOS, padded, dead beams with tokens that were refused: no error, no row without a finite score."""
    processor = GrammarLogitsProcessor(finite(["ab"]), prompt_length=1)
    rows = [[9, 2, EOS], [9, 2, 0], [9, 4, 4], [9, 63, 63]]
    assert allowed(processor(torch.tensor(rows), torch.zeros(4, WIDTH))) == [[EOS]] * 4
    spoiled = torch.full((4, WIDTH), -math.inf)
    assert allowed(processor(torch.tensor(rows), spoiled)) == [[EOS]] * 4
    spoiled = torch.full((4, WIDTH), math.nan)
    assert allowed(processor(torch.tensor(rows), spoiled)) == [[EOS]] * 4


def test_one_processor_serves_one_prompt_after_another():
    processor = GrammarLogitsProcessor(finite(["ab"]))

    def ask(*row):
        return allowed(processor(torch.tensor([row]), torch.zeros(1, WIDTH)))[0]

    assert [ask(9), ask(9, 0), ask(9, 0, 1)] == [[0, 2], [1], [EOS]]
    assert [ask(8, 8, 8, 8, 8), ask(8, 8, 8, 8, 8, 0)] == [[0, 2], [1]]
    assert [ask(8, 8, 8, 8, 8, 0, 1, 7, 7), ask(8, 8, 8, 8, 8, 0, 1, 7, 7, 2)] == [[0, 2], [EOS]]


def test_tokens_may_be_appended_several_at_a_time_with_an_explicit_prompt_length():
    processor = GrammarLogitsProcessor(finite(["abab"]), prompt_length=2)
    assert allowed(processor(torch.tensor([[9, 9, 2, 0]]), torch.zeros(1, WIDTH))) == [[1]]
    assert allowed(processor(torch.tensor([[9, 9]]), torch.zeros(1, WIDTH))) == [[0, 2]]


def test_memory_is_bounded():
    from gcd.integrations import logits_processor

    processor = GrammarLogitsProcessor(finite(["a" * 8]), prompt_length=1)
    for prompt in range(3 * logits_processor.KEPT // 2):
        processor(torch.tensor([[prompt]]), torch.zeros(1, WIDTH))
        processor(torch.tensor([[prompt, 0]]), torch.zeros(1, WIDTH))
    assert len(processor._states) == logits_processor.KEPT


def test_scores_narrower_than_the_vocabulary_are_refused():
    with pytest.raises(VocabularyMismatch) as caught:
        GrammarLogitsProcessor(finite(["ab"]))(torch.tensor([[9]]), torch.zeros(1, 7))
    assert str(caught.value) == (
        "the vocabulary has 8 tokens and the scores are 7 wide: the constraint was compiled for another tokenizer"
    )


def test_equal_rows_of_several_prompts_have_their_own_states():
    processor = GrammarLogitsProcessor([finite(["ab", "c"]), finite(["ba"])])

    def ask(*rows):
        return allowed(processor(torch.tensor(rows), torch.zeros(len(rows), WIDTH)))

    assert ask([9], [9]) == [[0, 2, 4], [1, 3]]
    assert ask([9], [9], [9], [9]) == [[0, 2, 4]] * 2 + [[1, 3]] * 2
    assert ask([9, 0], [9, 4], [9, 1], [9, 0]) == [[1], [EOS], [0], [EOS]]


@pytest.mark.parametrize("rows", [1, 3])
def test_rows_that_are_no_multiple_of_the_constraints(rows):
    with pytest.raises(ValueError, match="rows") as caught:
        GrammarLogitsProcessor([finite(["ab"]), finite(["c"])])(torch.tensor([[9]] * rows), torch.zeros(rows, WIDTH))
    assert str(caught.value) == (
        f"constraint= is a list of 2, one for each prompt, and {rows} rows are no multiple of that: give one "
        "constraint, or as many as there are prompts"
    )


def test_no_constraint_at_all():
    with pytest.raises(ValueError, match="empty") as caught:
        GrammarLogitsProcessor([])
    assert str(caught.value) == ("constraint= is an empty list: give one constraint, or as many as there are prompts")


def test_constraints_of_several_vocabularies_are_refused():
    other = Vocabulary(TOKENS, eos_token_ids=[EOS, 4])
    with pytest.raises(VocabularyMismatch) as caught:
        GrammarLogitsProcessor([finite(["ab"]), finite(["ab"], other)])
    assert str(caught.value) == (
        "the constraints were compiled for 2 vocabularies, and one model has one: compile all of them with the same "
        "tokenizer="
    )


def test_nan_scores_are_an_error():
    scores = torch.zeros(1, WIDTH)
    scores[0, 5:8] = math.nan
    with pytest.raises(BadLogits) as caught:
        GrammarLogitsProcessor(finite(["ab"]))(torch.tensor([[9]]), scores)
    assert str(caught.value) == (
        "at step 0, at the start of the text, the model's logits are NaN for 3 of 64 tokens\n"
        "Half precision overflows so: load the model with dtype='float32' or 'bfloat16', and check its weights."
    )


REMOVED = (
    "every one has score -inf already: a logits processor that ran before removed them, or the model gives them no"
)
FLAGS = [
    (
        {"min_new_tokens": 5},
        f"after 'ab' the grammar allows 1 token (5), and {REMOVED} probability.\n"
        "Likely: min_new_tokens or min_length, which forbid EOS where the grammar ends, or suppress_tokens.",
    ),
    (
        {"suppress_tokens": [0, 2]},
        f"after '' the grammar allows 2 tokens (0, 2), and {REMOVED} probability.\n"
        "Likely: begin_suppress_tokens, bad_words_ids, suppress_tokens or forced_bos_token_id.",
    ),
    (
        {"bad_words_ids": [[1], [2]]},
        f"after 'a' the grammar allows 1 token (1), and {REMOVED} probability.\n"
        "Likely: bad_words_ids, suppress_tokens, forced_eos_token_id (max_length reached) or prefix_allowed_tokens_fn.",
    ),
]


@pytest.mark.parametrize(
    ("flags", "message"), FLAGS, ids=lambda case: next(iter(case)) if isinstance(case, dict) else ""
)
def test_built_in_processors_that_leave_no_token_are_named(model, flags, message):
    with pytest.raises(NoAllowedToken) as caught:
        model.generate(
            torch.tensor(PROMPT), logits_processor=[GrammarLogitsProcessor(finite(["ab"]))], do_sample=False,
            **{**GENERATE, **flags},
        )  # fmt: skip
    assert str(caught.value) == message


def test_no_repeat_ngram_is_named(model):
    with pytest.raises(NoAllowedToken) as caught:
        model.generate(
            torch.tensor(PROMPT), logits_processor=[GrammarLogitsProcessor(finite(["cccc"]))], do_sample=False,
            no_repeat_ngram_size=2, **GENERATE,
        )  # fmt: skip
    assert str(caught.value) == (
        f"after 'cc' the grammar allows 1 token (4), and {REMOVED} probability.\n"
        "Likely: no_repeat_ngram_size (the tokens occurred before), bad_words_ids or suppress_tokens."
    )


def test_a_padded_vocabulary_never_lets_padding_in(model):
    wide = Vocabulary(TOKENS, eos_token_ids=[EOS], special_tokens=dict(TOY.special_tokens), size=WIDTH)
    masked = GrammarLogitsProcessor(finite(TEXTS, wide))(torch.tensor(PROMPT), torch.zeros(1, WIDTH))
    assert max(allowed(masked)[0]) < len(TOKENS)


def test_it_goes_into_a_logits_processor_list():
    processors = transformers.LogitsProcessorList([GrammarLogitsProcessor(finite(["ab"]))])
    assert allowed(processors(torch.tensor([[9]]), torch.zeros(1, WIDTH))) == [[0, 2]]
