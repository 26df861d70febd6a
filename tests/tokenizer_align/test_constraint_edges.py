"""The edges of a Constraint: layouts, ends, refusals and their whole messages, budgets, sizes."""

from __future__ import annotations

import gc
import os
import random

import numpy as np
import pytest
from mask_laws import bits, build
from random_grammars import random_case

from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, GrammarError, LimitExceeded
from grammars.ir import (
    ANY_CHAR,
    EPSILON,
    NOTHING,
    Choice,
    Grammar,
    JsonString,
    Length,
    Node,
    Not,
    Ref,
    Repeat,
    Sequence,
    SpecialToken,
    char_class,
    text,
)
from grammars.rules import Kind
from tokenizer_align import constraint as constraint_module
from tokenizer_align import states
from tokenizer_align.arena import Configurations
from tokenizer_align.constraint import Constraint, align
from tokenizer_align.errors import AlignmentError, BudgetTooSmall, TokenRejected, VocabularyMismatch
from tokenizer_align.vocabulary import Vocabulary

DIGITS = char_class([(48, 57)])


def constraint(
    rules: Node | dict[str, Node],
    tokens: list[bytes],
    *,
    special: dict[str, int] | None = None,
    size: int | None = None,
    eos: int | list[int] = -1,
) -> Constraint:
    """The constraint over these tokens; the last one is EOS unless `eos` says otherwise."""
    ends = eos if isinstance(eos, list) else [eos % len(tokens)]
    grammar = Grammar(rules if isinstance(rules, dict) else {"start": rules})
    vocabulary = Vocabulary(tokens, eos_token_ids=ends, special_tokens=special or {}, size=size)
    return align(compile_grammar(grammar), vocabulary)


def after(c: Constraint, *tokens: int) -> constraint_module.State:
    state = c.start
    for token in tokens:
        state = c.advance(state, token)
    return state


# -- layout -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 2, 31, 32, 33, 63, 64, 65, 100])
def test_mask_has_a_bit_for_each_token(width: int) -> None:
    tokens = [bytes([i]) for i in range(width)] + [b""]
    c = constraint(Repeat(char_class([(0, width - 1)])), tokens)
    row = c.mask(c.start)
    assert (row.dtype.name, row.shape) == ("int32", ((width + 32) // 32,))
    assert bits(row) == set(range(width + 1))


def test_tokens_that_were_taken_lead_where_they_led(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    monkeypatch.setattr(states, "_TAKEN", 7)
    c = constraint(
        Repeat(Choice((text("ab"), text("ba"), text("c"))), 2, 9), [b"a", b"b", b"c", b"ab", b"ca", b"abc", b""]
    )
    for _ in range(40):
        state, number = c.start, c.start._number
        arena = state._arena
        while allowed := sorted(bits(c.mask(state)) - {6}):
            token = rng.choice(allowed)
            number = arena.advance(number, token)
            assert c.advance(state, token) == c.advance(state, token) == constraint_module.State(arena, number)
            assert len(arena.taken) <= 7
            for refused in {-1, *range(6)} - {*allowed}:
                with pytest.raises(TokenRejected):
                    c.advance(state, refused)
            state = c.advance(state, token)
    c.min_tokens_to_end(c.start)
    assert not c.start._arena.taken


def test_mask_pads_to_the_width_of_the_model() -> None:
    c = constraint(text("a"), [b"a", b"</s>"], size=70)
    assert c.mask(c.start).shape == (3,)
    assert bits(c.mask(c.start)) == {0}
    assert bits(c.mask(after(c, 0))) == {1}
    for padding in (2, 69):
        with pytest.raises(TokenRejected):
            c.advance(c.start, padding)


def test_mask_of_duplicates_and_several_ends() -> None:
    c = constraint(text("ab"), [b"a", b"ab", b"a", b"b", b"", b"ab", b"", b""], eos=[4, 7])
    assert bits(c.mask(c.start)) == {0, 1, 2, 5}
    assert bits(c.mask(after(c, 1))) == {4, 7}
    assert after(c, 0) == after(c, 2)
    assert after(c, 0, 3, 4) == after(c, 1, 7)


def test_fill_bitmask_checks_the_shape() -> None:
    c = constraint(text("a"), [*(bytes([i + 97]) for i in range(40)), b""])
    for wrong in (np.zeros((1, 1), np.int32), np.zeros((0, 2), np.int32), np.zeros(2, np.int32), np.zeros((1, 2))):
        with pytest.raises(ValueError, match=r"the bitmask must be int32 of at least \(1, 2\), not "):
            c.fill_bitmask([c.start], wrong)
    out = np.full((3, 4), -1, np.int32)
    c.fill_bitmask([after(c, 0), c.start], out, budgets=[None, 1])
    assert out.tolist() == [[0, 256, 0, 0], [0, 0, 0, 0], [-1, -1, -1, -1]]


def test_fill_bitmask_takes_torch() -> None:
    torch = pytest.importorskip("torch")
    c = constraint(text("a"), [b"a", b""])
    out = torch.full((2, 1), -1, dtype=torch.int32)
    c.fill_bitmask([c.start, after(c, 0)], out)
    assert out.tolist() == [[1], [2]]
    c.matcher().fill_next_token_bitmask(out, 1)
    assert out.tolist() == [[1], [1]]


# -- ends -------------------------------------------------------------------------------------------------------------


def test_end_is_accepting_and_takes_nothing_but_eos() -> None:
    c = constraint(Repeat(text("a")), [b"a", b"</s>"])
    end = after(c, 0, 1)
    assert bits(c.mask(end)) == {1}
    assert bits(c.mask(end, budget=1)) == {1}
    assert c.is_accepting(end)
    assert c.is_terminated(end)
    assert c.advance(end, 1) == end
    assert (c.forced_tokens(end), c.forced_text(end), c.min_tokens_to_end(end)) == ([], b"", 0)
    assert c.try_advance(end, 0) is None
    assert not c.is_terminated(after(c, 0))


def test_empty_text_alone_is_a_language() -> None:
    c = constraint(EPSILON, [b"a", b""])
    assert bits(c.mask(c.start)) == {1}
    assert c.is_accepting(c.start)
    assert c.min_tokens_to_end(c.start) == 0
    c.check_budget(1)


def test_vocabulary_with_nothing_but_eos() -> None:
    c = constraint(EPSILON, [b""])
    assert bits(c.mask(c.start)) == {0}


def test_nothing_is_refused() -> None:
    with pytest.raises(EmptyLanguage):
        constraint(NOTHING, [b"a", b""])


# -- refused tokens ---------------------------------------------------------------------------------------------------

TOOL = Sequence((text("ab"), Repeat(DIGITS, 1, 3), SpecialToken("<t>")))
TOKENS = [b"a", b"b", b"ab", b"abx", *(b"%d" % i for i in range(10)), b"", b"<t>", b"</s>"]
REJECTIONS = [
    ((), 3, "token 3 (b'abx') stopped at byte 2; expected '0'-'9'"),
    ((), 1, "token 1 (b'b') stopped at byte 0; expected 'a'"),
    ((), 14, "token 14 is not allowed here; expected 'a'"),
    ((), 15, "token 15 is not allowed here; expected 'a'"),
    ((), 16, "token 16 is not allowed here; expected 'a'"),
    ((), 17, "token 17 is not allowed here; expected 'a'"),
    ((), -1, "token -1 is not allowed here; expected 'a'"),
    ((2, 4), 2, "token 2 (b'ab') stopped at byte 0; expected '0'-'9' or <t>"),
    ((2, 4, 15), 15, "token 15 is not allowed here; expected the end"),
    ((2, 4, 15, 16), 2, "token 2 is not allowed here; expected nothing: the text has ended"),
]


@pytest.mark.parametrize(("before", "token", "message"), REJECTIONS)
def test_refused_token_says_where_and_what_was_allowed(before: tuple[int, ...], token: int, message: str) -> None:
    c = constraint(TOOL, TOKENS, special={"<t>": 15})
    state = after(c, *before)
    with pytest.raises(TokenRejected) as caught:
        c.advance(state, token)
    assert str(caught.value) == message
    assert caught.value.token_id == token
    assert c.try_advance(state, token) is None


def test_special_token_has_no_text() -> None:
    c = constraint(
        Sequence((text("<t>"), SpecialToken("<t>"))), [b"<", b"t", b">", b"<t>", b"</s>"], special={"<t>": 3}
    )
    assert bits(c.mask(c.start)) == {0}
    assert bits(c.mask(after(c, 0, 1, 2))) == {3}
    assert c.forced_text(c.start) == b"<t>"
    assert c.forced_tokens(c.start) == [0, 1, 2, 3]


# -- vocabularies that lack something ---------------------------------------------------------------------------------


def test_vocabulary_without_a_byte_that_stands_in_tokens() -> None:
    with pytest.raises(VocabularyMismatch) as caught:
        constraint(text("abc"), [b"a", b"b", b"bc", b""])
    assert str(caught.value) == (
        "the grammar uses bytes that occur in tokens of the vocabulary, but have no one-byte token: 0x63; "
        "exact masks need one, since a text could otherwise become impossible to finish"
    )


def test_vocabulary_without_a_byte_of_every_text() -> None:
    with pytest.raises(VocabularyMismatch) as caught:
        constraint(text("abc"), [b"a", b"b", b"ab", b""])
    assert str(caught.value) == (
        "no text of the grammar can be written with this vocabulary: none of its tokens has 0x63"
    )


def test_vocabulary_without_a_byte_of_some_texts() -> None:
    c = constraint(Choice((text("abc"), text("ab"), text("b"))), [b"a", b"b", b"ab", b""])
    assert bits(c.mask(c.start)) == {0, 1, 2}
    assert bits(c.mask(after(c, 2))) == {3}


def test_vocabulary_without_a_byte_of_a_counted_item() -> None:
    """The repeat goes with its item; a repeat that calls nothing would be read beyond the tables."""
    way = Sequence((Repeat(Ref("x"), 40, 50), text("c")))
    automaton = compile_grammar(Grammar({"start": Choice((way, text("a"))), "x": text("b")}))
    cut = automaton.without_bytes(frozenset(b"b"))
    rules = [cut.rule(number) for number in range(cut.num_rules)]
    assert [rule.name for rule in rules if rule.kind is Kind.REPEAT and not rule.dfa.edges[0]] == []
    c = align(automaton, Vocabulary([b"a", b"c", b""], eos_token_ids=[2]))
    assert bits(c.mask(c.start)) == {0}


def test_vocabulary_without_the_special_token() -> None:
    with pytest.raises(VocabularyMismatch) as caught:
        constraint(SpecialToken("<t>"), [b"a", b""])
    assert str(caught.value) == "the grammar names special tokens that the vocabulary lacks: <t>"


def test_special_token_that_ends_a_text() -> None:
    """In the mask it would mean both: the end, and a part of the text."""
    with pytest.raises(VocabularyMismatch) as caught:
        constraint(Sequence((SpecialToken("</s>"), text("a"))), [b"a", b""], special={"</s>": 1})
    assert str(caught.value) == (
        "the grammar names </s>, which ends a text: it may always stand at the end, and only there"
    )


def test_special_tokens_that_share_an_id() -> None:
    with pytest.raises(VocabularyMismatch) as caught:
        constraint(Choice((SpecialToken("<s>"), SpecialToken("<t>"))), [b"a", b"", b""], special={"<s>": 1, "<t>": 1})
    assert str(caught.value) == "the grammar names special tokens that are one token in the vocabulary: <s>, <t>"


# -- budgets ----------------------------------------------------------------------------------------------------------


def test_budget_too_small_says_what_suffices() -> None:
    c = constraint(TOOL, TOKENS, special={"<t>": 15})
    c.check_budget(4)
    for budget in (-1, 0, 1, 2):
        with pytest.raises(BudgetTooSmall) as caught:
            c.check_budget(budget)
        assert str(caught.value) == (
            f"max_new_tokens={budget} is impossible: the shortest text of the grammar needs at least 3 tokens with "
            "EOS; max_new_tokens=4 suffices"
        )
    with pytest.raises(BudgetTooSmall) as caught:
        c.check_budget(3)
    assert str(caught.value) == (
        "max_new_tokens=3 may not suffice to finish inside the grammar; max_new_tokens=4 does (EOS included)"
    )


def fewest_tokens(c: Constraint, *, most: int) -> int:
    """The least number of tokens that complete a text, by trying all ways."""
    row = {c.start}
    for count in range(most):
        if any(map(c.is_accepting, row)):
            return count
        eos = set(c.vocabulary.eos_token_ids)
        row = {c.advance(state, token) for state in row for token in bits(c.mask(state)) - eos}
    return most


def test_lower_bound_and_sufficient_number_hold_the_fewest_between_them() -> None:
    for seed in range(150):
        try:
            c = build(random_case(seed))
        except (GrammarError, AlignmentError):
            continue
        sufficient = c.min_tokens_to_end(c.start)
        if sufficient <= 4:
            fewest = fewest_tokens(c, most=sufficient)
            assert c.min_tokens_lower_bound(c.start) <= fewest <= sufficient, f"seed {seed}"
            assert (fewest == 0) == c.is_accepting(c.start), f"seed {seed}"


# -- sizes ------------------------------------------------------------------------------------------------------------


def test_deep_nesting_needs_no_recursion() -> None:
    nested: dict[str, Node] = {"start": Choice((Sequence((text("["), Ref("start"), text("]"))), text("a")))}
    c = constraint(nested, [b"[", b"]", b"a", b"[" * 100, b"]" * 100, b"]" * 101, b""])
    state = after(c, *[3] * 100, 2)
    assert bits(c.mask(state)) == {1, 4, 5}
    assert c.min_tokens_to_end(state) == 10_000
    state = c.advance(state, 4)
    for _ in range(99):
        assert not c.is_accepting(state)
        state = c.advance(state, 4)
    assert bits(c.mask(state)) == {6}


def test_large_counters_are_not_unrolled() -> None:
    c = constraint(
        Sequence((Repeat(text("ab"), 5000, 1_000_000), text("c"))), [b"a", b"b", b"c", b"abab", b"ababc", b""]
    )
    assert c.min_tokens_to_end(c.start) == 10_001  # the spelling of `ab` is its frame's own: a, b
    state = after(c, *[3] * 2499)
    assert bits(c.mask(state)) == {0, 3, 4}
    assert c.forced_text(state) == b"abab"
    assert bits(c.mask(c.advance(state, 3))) == {0, 2, 3, 4}
    assert bits(c.mask(state, budget=2)) == {4}


def test_windows_know_the_lengths_that_are_left() -> None:
    c = constraint(Length(Repeat(text("abc")), 9_999, 10_000), [b"a", b"b", b"c", b"abc", b"abc" * 101, b""])
    state = after(c, *[4] * 32)  # 9,696 of 9,999 characters; 10,000 is no multiple of 3
    assert bits(c.mask(state)) == {0, 3, 4}
    assert bits(c.mask(c.advance(state, 3))) == {0, 3}
    assert bits(c.mask(c.advance(state, 4))) == {5}


def test_characters_are_counted_not_bytes() -> None:
    tokens = [bytes([byte]) for byte in range(256)]
    tokens += ["é".encode(), "😀".encode(), rb"\ud83d\ude00", rb"\ud83d", b"aa", b"aaa", b'""', b'a"', b""]
    c = constraint(JsonString(Repeat(ANY_CHAR, 2, 3)), tokens)
    in_string = after(c, 34)
    assert 262 not in bits(c.mask(c.start))
    assert {256, 257, 258, 259, 260, 261} < bits(c.mask(in_string))
    assert 263 not in bits(c.mask(in_string))
    one_left = c.advance(c.advance(in_string, 258), 256)
    assert {34, 256, 257, 258, 263} < bits(c.mask(one_left))
    assert not {260, 261} & bits(c.mask(one_left))
    assert bits(c.mask(c.advance(one_left, 257))) == {34}
    assert 0x80 not in bits(c.mask(in_string))
    assert bits(c.mask(c.advance(in_string, 259))) == {92}


def test_ambiguity_stays_polynomial() -> None:
    c = constraint({"start": Choice((Sequence((Ref("start"), Ref("start"))), text("a")))}, [b"a", b"a" * 400, b""])
    assert bits(c.mask(after(c, *[1] * 5))) == {0, 1, 2}


def test_too_many_ways_to_read_is_a_typed_error() -> None:
    rules: dict[str, Node] = {f"r{i}": Sequence((text("a"), Ref("start"), text(f"{i}b"))) for i in range(5000)}
    start = Choice((text("b"), *(Ref(name) for name in rules)))
    with pytest.raises(LimitExceeded, match="more than 4096 ways to read this text"):
        constraint({"start": start, **rules}, [*(bytes([i]) for i in b"ab0123456789"), b""])


@pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT") == "1",
    reason="filling 4 MiB takes five minutes without JIT; the limit is Python's",
)
def test_too_much_memory_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of counter values are open at once. What was answered before goes on being answered."""
    monkeypatch.setitem(Configurations.__init__.__kwdefaults__, "limit", 1 << 20)
    c = constraint(Repeat(Choice((text("a"), text("aa"))), 0, 10_000), [b"a", b"a" * 40, b""])
    state = after(c, 1)
    row = c.mask(state)
    with pytest.raises(LimitExceeded, match="the configurations of this grammar need more than 4 MiB"):
        after(c, *[1] * 100)
    assert bits(c.mask(state)) == bits(row) == {0, 1, 2}
    assert after(c, 1) == state


# -- lives ------------------------------------------------------------------------------------------------------------


def test_states_outlive_the_arena_that_new_requests_use(monkeypatch: pytest.MonkeyPatch) -> None:
    c = constraint(Repeat(text("ab"), 0, 9), [b"a", b"b", b"ab", b""])
    old = after(c, 2, 0)
    monkeypatch.setattr(constraint_module, "_ROTATE", 0)
    new = after(c, 2, 0)
    assert old != new
    assert bits(c.mask(old)) == bits(c.mask(new)) == {1}
    assert c.advance(old, 1) != c.advance(new, 1)
    assert bits(c.mask(c.advance(old, 1))) == bits(c.mask(c.advance(new, 1)))
    assert c.min_tokens_to_end(old) == c.min_tokens_to_end(new) == 1


def test_rows_live_as_long_as_they_are_held() -> None:
    c = constraint(Repeat(char_class([(97, 122)]), 0, 40), [*(bytes([i]) for i in range(97, 123)), b""])
    rng, kept, state = random.Random(0), [], c.start
    for _ in range(40):
        row = c.mask(state)
        kept.append((row, row.copy()))
        state = c.advance(state, rng.randrange(26))
    del c, state
    gc.collect()
    assert all((row == copy).all() for row, copy in kept)


def test_rows_are_read_only() -> None:
    c = constraint(text("a"), [b"a", b""])
    for row in (c.mask(c.start), c.mask(c.start, budget=2), c.mask(after(c, 0, 1))):
        with pytest.raises(ValueError, match="read-only"):
            row[0] = -1


def test_matcher_speaks_the_names_of_the_field() -> None:
    c = constraint(text("ab"), [b"a", b"b", b"ab", b""])
    m = c.matcher()
    assert m.accept_token(0)
    assert not m.accept_token(0)
    assert m.accept_token(1)
    assert (m.token_ids, m.text, m.is_terminated()) == ([0, 1], b"ab", False)
    assert m.accept_token(3)
    assert m.is_terminated()
    m.rollback(2)
    assert (m.token_ids, m.text) == ([0], b"a")
    out = np.full((2, 2), -1, np.int32)
    m.fill_next_token_bitmask(out, 1)
    assert out.tolist() == [[-1, -1], [2, 0]]
    for k in (-1, 2):
        with pytest.raises(ValueError, match="cannot take"):
            m.rollback(k)


def test_budget_of_a_long_window_counts_tokens() -> None:
    """100 characters take 7 tokens where one token writes 16 of them; the bounds hold all the same."""
    tokens = [b"a", b"a" * 16, b"!", b""]
    c = constraint(Sequence((Length(Repeat(text("a")), 100, 120), text("!"))), tokens)
    assert c.min_tokens_to_end(c.start) == 6 + 4 + 1
    state = c.start
    for left in range(11, 0, -1):
        c.check_budget(12)
        allowed = bits(c.mask(state, budget=left + 1))
        state = min((c.advance(state, token) for token in allowed), key=c.min_tokens_to_end)
        assert c.min_tokens_to_end(state) == left - 1
    assert c.is_accepting(state)


def test_budget_beyond_what_is_counted_is_too_small() -> None:
    """2^29 tokens and more are all one number; no state that is not complete costs 0."""
    many = Sequence((text("<"), Repeat(Sequence((text("["), Repeat(text("xy"), 40_000, 40_000))), 40_000, 40_000)))
    c = constraint(many, [b"<", b"[", b"x", b"y", b""])
    assert not c.is_accepting(c.start)
    assert c.min_tokens_to_end(c.start) > 1 << 28
    with pytest.raises(BudgetTooSmall):
        c.check_budget(512)


def test_bounds_beyond_what_is_counted() -> None:
    """An upper bound of 2^32 - 1, as exporters write it, is none; a lower one is a limit."""
    c = constraint(Sequence((Length(Repeat(text("a")), 0, 2**32 - 1), text("!"))), [b"a", b"!", b""])
    assert bits(c.mask(c.start)) == {0, 1}
    with pytest.raises(LimitExceeded) as caught:
        constraint(Sequence((Repeat(text("ab"), 2**31, None), text("!"))), [b"a", b"b", b"!", b""])
    assert str(caught.value) == "a repeat of at least 2,147,483,648 is more than can be counted"


def test_an_interrupted_mask_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    quoted = JsonString(Repeat(char_class([(97, 98)])))
    c = constraint(quoted, [b'"', b"a", b"b", b'"a', b'a"', b""])
    leaves = c.start._arena.leaves
    of_rule = leaves.of_rule

    def interrupt(*_: object) -> None:
        monkeypatch.setattr(leaves, "of_rule", of_rule)
        raise KeyboardInterrupt

    monkeypatch.setattr(leaves, "of_rule", interrupt)
    with pytest.raises(KeyboardInterrupt):
        c.mask(c.start)
    assert bits(c.mask(c.start)) == {0, 3}


def test_many_tokens_that_complete_an_excluded_name() -> None:
    tokens = [*(bytes([byte]) for byte in range(256)), *(b'"' for _ in range(20_000)), b""]
    names = JsonString(Not(Choice((text("a"), text("b")))))
    c = align(compile_grammar(Grammar({"start": names})), Vocabulary(tokens, eos_token_ids=[len(tokens) - 1]))
    named = after(c, ord('"'), ord("a"))
    assert not bits(c.mask(named)) & {ord('"'), *range(256, 20_256)}
    longer = c.advance(named, ord("a"))
    assert bits(c.mask(longer)) >= {ord('"'), *range(256, 20_256)}


def test_a_state_of_another_constraint_is_refused() -> None:
    small = constraint(text("ab"), [b"a", b"b", b""])
    large = constraint(text("ab"), [b"a", b"b", *(b"ab%d" % i for i in range(100)), b""])
    with pytest.raises(ValueError, match="the state belongs to another constraint"):
        small.mask(large.start)


def test_special_tokens_by_number() -> None:
    vocabulary = Vocabulary([b"a", b"", b"", b"b"], eos_token_ids=[2], special_tokens={"<x>": 1, "<eos>": 2})
    grammar = Grammar({"start": Sequence((text("a"), SpecialToken("<[1]>"), text("b")))})
    matcher = align(compile_grammar(grammar), vocabulary).matcher()
    assert [matcher.accept_token(token) for token in (1, 0, 3, 1, 3, 2)] == [False, True, False, True, True, True]
    for name in ("<[0]>", "<[9]>", "<[x]>"):
        with pytest.raises(VocabularyMismatch) as caught:
            align(compile_grammar(Grammar({"start": SpecialToken(name)})), vocabulary)
        message = f"the grammar names special tokens that the vocabulary lacks: {name}"
        assert str(caught.value) == f"{message}; a number is for a token that spells no text"
