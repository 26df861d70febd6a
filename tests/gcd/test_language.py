"""Languages put together from parts: what each operator and each kind of free text means, against plain Python."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from mask_laws import check_case
from naive import Language as Naive
from random_grammars import Case

import gcd
from gcd.parse import parse_wanted
from grammars.compile import compile_grammar
from grammars.errors import GrammarError, InvalidGrammar, LimitExceeded, UnsupportedFeature

SEEDS = int(os.environ.get("GCD_RANDOM_PHRASES", "12"))


def texts(alphabet: str, longest: int) -> list[str]:
    return ["".join(letters) for n in range(longest + 1) for letters in product(alphabet, repeat=n)]


def members(language: gcd.Language, every: list[str]) -> list[str]:
    """Those of the texts that are in a language, by the engine's automaton."""
    automaton = compile_grammar(language.grammar)
    return [text for text in every if automaton.accepts(text.encode())]


TABLE: list[tuple[str, Callable[[], gcd.Language], list[str], list[str]]] = [
    ("a text is itself", lambda: gcd.literal("a.b"), ["a.b"], ["", "axb"]),
    ("strings before and behind", lambda: "<" + gcd.regex("[ab]+") + ">", ["<a>", "<ab>"], ["a", "<>", "<a"]),
    ("choice", lambda: gcd.literal("a") | "b" | gcd.choices(["c", "dd"]), ["a", "b", "c", "dd"], ["", "d", "ab"]),
    ("a str first", lambda: "a" | gcd.literal("b"), ["a", "b"], ["", "ab"]),
    (
        "both",
        lambda: gcd.regex("[ab]*") & gcd.regex(".{2}") & ~gcd.literal("aa"),
        ["ab", "ba", "bb"],
        ["aa", "a", "cc"],
    ),
    ("a str and both", lambda: "ab" & gcd.regex("a.*"), ["ab"], ["a", "abb"]),
    ("all others", lambda: ~gcd.regex("a*"), ["b", "ab", "é"], ["", "a", "aa"]),
    ("binds like Python's", lambda: gcd.literal("a") + "b" | gcd.literal("c"), ["ab", "c"], ["abc", "ac"]),
    ("times", lambda: (gcd.literal("a") | "b").times(1, 2), ["a", "b", "ab", "bb"], ["", "aba"]),
    ("optional", lambda: gcd.literal("a").optional() + "b", ["ab", "b"], ["a", "aab"]),
    (
        "separator",
        lambda: gcd.regex("[ab]").times(2, 3, separator=", "),
        ["a, b", "a, b, a"],
        ["a", "a,b", "a, b, a, b"],
    ),
    ("separator from none", lambda: gcd.literal("a").times(separator=","), ["", "a", "a,a,a"], [",", "a,", "aa"]),
    ("separator up to one", lambda: gcd.literal("a").times(0, 1, separator=","), ["", "a"], ["a,a", ","]),
    ("never", lambda: gcd.literal("a").times(0, 0, separator=","), [""], ["a"]),
    ("search", lambda: gcd.regex("^a|b$", search=True, flavor="ecma"), ["ac", "cb"], ["ca", "bc"]),
    ("a schema", lambda: "x = " + gcd.schema({"type": "integer"}, whitespace="compact"), ["x = 1"], ["x = a", "1"]),
    (
        "a schema in Lark",
        lambda: gcd.lark(
            'start: "call " call*\ncall: who ";"\n%ignore " "', rules={"who": gcd.schema({"enum": [1, "a"]})}
        ),
        ["call ", 'call  1 ; "a";'],
        ["call", "call 1", "call a;"],
    ),
    (
        "GBNF in GBNF in Lark",
        lambda: gcd.lark(
            "start: inner inner",
            rules={"inner": gcd.gbnf('root ::= "(" root ")" | leaf', rules={"leaf": gcd.regex("[ab]")})},
        ),
        ["ab", "(a)((b))"],
        ["a", "(a", "(ab)"],
    ),
    (
        "the same grammar twice",
        lambda: (lambda nested: nested + "=" + nested)(gcd.gbnf('root ::= "a" root "b" | ""')),
        ["=", "ab=aabb"],
        ["ab", "a=b", "aab=ab"],
    ),
    ("without recursion", lambda: gcd.lark('start: "a" B\nB: /b+/') & ~gcd.literal("ab"), ["abb"], ["ab", "a"]),
]


@pytest.mark.parametrize(("make", "accepted", "refused"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE])
def test_what_operators_mean(make: Callable[[], gcd.Language], accepted: list[str], refused: list[str]) -> None:
    language = make()
    assert members(language, [*accepted, *refused]) == accepted
    naive = Naive(language.grammar)
    assert [text for text in [*accepted, *refused] if naive.accepts(text.encode())] == accepted


def test_files_of_grammars(tmp_path: Path) -> None:
    (tmp_path / "parts.lark").write_text('pair: "a" "b"')
    (tmp_path / "all.lark").write_text("%import parts.pair\nstart: pair pair")
    assert members(gcd.lark(tmp_path / "all.lark", import_root=tmp_path), ["abab", "ab"]) == ["abab"]
    (tmp_path / "all.gbnf").write_text('top ::= "x"+')
    assert members(gcd.gbnf(tmp_path / "all.gbnf", start="top"), ["xx", ""]) == ["xx"]


@pytest.mark.parametrize("phrases", [("ab",), ("aab", "aba"), ("aa", "bb"), ("aba", "bab"), ("a", "bbb"), ()])
def test_phrases_are_those_that_python_finds(phrases: tuple[str, ...]) -> None:
    every = texts("ab", 8)
    assert members(gcd.containing(*phrases), every) == [t for t in every if all(p in t for p in phrases)]
    assert members(gcd.without(*phrases), every) == [t for t in every if not any(p in t for p in phrases)]
    if phrases:
        first = [t for t in every if t.endswith(phrases) and not any(p in t[:-1] for p in phrases)]
        assert members(gcd.until(*phrases), every) == first


def test_phrases_are_characters_and_not_bytes() -> None:
    every = texts("é€a", 4)
    assert members(gcd.without("é€"), every) == [t for t in every if "é€" not in t]
    assert not compile_grammar(gcd.without("a").grammar).accepts(b"\xff")


def tagged(text: str, tags: dict[str, str], low: int, high: int | None, excluded: list[str]) -> bool:
    """Whether a text is free text with tags in it, what belongs to each being a regex: by trying every end."""
    for end in range(len(text) + 1):
        if any(text[:end].endswith(phrase) for phrase in excluded):
            return False
        found = next((tag for tag in tags if text[:end].endswith(tag)), None)
        if found is not None:
            rests = [text[at:] for at in range(end, len(text) + 1) if re.fullmatch(tags[found], text[end:at])]
            return high != 0 and any(
                tagged(rest, tags, max(low - 1, 0), None if high is None else high - 1, excluded) for rest in rests
            )
    return low == 0


@pytest.mark.parametrize("seed", range(SEEDS))
def test_tags_are_found_from_left_to_right(seed: int) -> None:
    rng = random.Random(seed)
    words = ["".join(rng.choices("ab", k=rng.randint(1, 3))) for _ in range(3)]
    names = [word for word in words if not any(other != word and other in word for other in words)]
    names = [*dict.fromkeys(names)]
    excluded = names[2:] if rng.random() < 0.5 else []
    patterns = ["b", "(ab)*", "a|aab", "[ab]{2}", "a+"]
    sections = {name: rng.choice(patterns) for name in names[: len(names) - len(excluded)]}
    low, high = rng.choice([(0, None), (1, None), (0, 1), (1, 2), (2, 2)])
    languages = {tag: gcd.regex(pattern) for tag, pattern in sections.items()}
    language = gcd.tags(languages, at_least=low, at_most=high, excluding=excluded)
    every = texts("ab", 8)
    expected = [text for text in every if tagged(text, sections, low, high, excluded)]
    assert members(language, every) == expected, (sections, low, high, excluded)


@pytest.mark.parametrize("document", ["", "a", "abab", "aabbabaab", "abcbc", "ééa€é", "aaaa"])
def test_substrings_are_those_of_python(document: str) -> None:
    every = texts("".join(sorted(set(document) | {"z"})), 5)
    assert members(gcd.substring(document), every) == [text for text in every if text in document]


@pytest.mark.parametrize("letters", ["ab", "abcdefgh"])
def test_substrings_of_a_document_longer_than_a_rule(letters: str) -> None:
    rng = random.Random(3)
    document = "".join(rng.choices(letters, k=90))
    inside = [document[i : i + length] for length in (1, 2, 16, 17, 18, 40, 90) for i in range(91 - length)]
    others = [text[:at] + rng.choice(letters) + text[at:] for text in inside for at in (0, len(text) // 2, len(text))]
    every = [*dict.fromkeys(inside + others)]
    assert members(gcd.substring(document), every) == [text for text in every if text in document]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_substrings_of_chunks_are_runs_of_whole_ones(seed: int) -> None:
    rng = random.Random(seed)
    chunks = rng.choices(["a", "b", "ab", "", "ba"], k=rng.randint(0, 7))
    runs = {"".join(chunks[i:j]) for i in range(len(chunks) + 1) for j in range(i, len(chunks) + 1)}
    every = texts("ab", 7)
    assert members(gcd.substring(chunks), every) == [text for text in every if text in runs], chunks


CALLS = {
    "type": "triggered_tags",
    "triggers": ["<"],
    "tags": [
        {"begin": "<a", "content": {"type": "any_text", "max_chars": 2}, "end": ["b>", ")"]},
        {"begin": "<", "content": {"type": "token", "token": "<tool>"}, "end": "b"},
    ],
}
LAWS = [
    lambda: gcd.tags({"<a": gcd.regex("b+") + ">", "(": gcd.gbnf('root ::= root "b" | "a"') + ")"}, excluding=["bb"]),
    lambda: gcd.until("aab") + gcd.schema({"enum": [1, 11]}),
    lambda: gcd.substring("abaabb") + "<" + gcd.special("<tool>").optional(),
    lambda: gcd.containing("aba", "bb") & ~gcd.regex(".*<.*"),
    lambda: gcd.structural_tag({"type": "structural_tag", "format": CALLS}),
]


@pytest.mark.parametrize("make", LAWS)
def test_masks_are_exact(make: Callable[[], gcd.Language]) -> None:
    tokens = (b"a", b"b", b"<", b"(", b")", b">", b"1", b"", b"<a", b"ab", b"b>", b"aab1", b"ba<", b"")
    grammar = make().grammar
    specials = {"<tool>": 13}
    met = check_case(Case(3, grammar, tokens, (7,), specials), walks=1, steps=5)
    assert met["checked"]


def test_a_language_goes_where_a_grammar_goes() -> None:
    language = gcd.regex("[a-z]+") & ~gcd.regex("if|else")
    wanted = parse_wanted(grammar=language)
    assert (wanted.kind, wanted.to_value("x")) == ("grammar", "x")
    assert gcd.check(grammar=language).ok
    report = gcd.check(grammar=gcd.regex("a") & gcd.regex("b"))
    assert type(report.error).__name__ == "EmptyLanguage"
    assert parse_wanted(grammar=language).key == wanted.key != parse_wanted(grammar=gcd.regex("[a-z]+")).key


REGULAR = "it is for regexes, choices, phrases and grammars without recursion; a schema has allOf, not and pattern"
ERRORS: list[tuple[str, Callable[[], object], type[Exception], str]] = [
    (
        "a number",
        lambda: gcd.literal("a") + 1,
        TypeError,
        "a part of a language is a str or another language, not int",
    ),
    (
        "recursion",
        lambda: ~gcd.gbnf('root ::= "a" root | ""'),
        UnsupportedFeature,
        f"~ of a recursive grammar is not supported\n{REGULAR}",
    ),
    (
        "a schema",
        lambda: gcd.schema({"type": "object"}) & gcd.regex("a"),
        UnsupportedFeature,
        f"& of JSON strings and objects is not supported\n{REGULAR}",
    ),
    (
        "a special token",
        lambda: ~gcd.special("<a>"),
        UnsupportedFeature,
        f"~ of a special token is not supported\n{REGULAR}",
    ),
    (
        "a long document",
        lambda: ~gcd.substring("ab" * 500),
        LimitExceeded,
        "~ of a grammar of over 100,000 parts or 150 levels, its rules written out",
    ),
    ("a wrong regex", lambda: gcd.regex("a("), InvalidGrammar, None),
    ("no count", lambda: gcd.literal("a").times(3, 2), InvalidGrammar, "from 3 to 2 is no number of copies"),
    ("no stop", lambda: gcd.until(), InvalidGrammar, 'there is nothing to stop at\nwrite until("</think>")'),
    (
        "an empty phrase",
        lambda: gcd.without("a", ""),
        InvalidGrammar,
        "'' is no phrase\na phrase is a text of at least one character",
    ),
    ("no tags", lambda: gcd.tags({}), InvalidGrammar, 'there are no tags\nwrite tags({"<tool>": ...})'),
    (
        "a tag in a tag",
        lambda: gcd.tags({"<a": "x", "<ab": "y"}),
        InvalidGrammar,
        "the tag '<ab' contains '<a', which is found first\n"
        "begin at the shorter one, and choose between what may follow it",
    ),
    (
        "tags",
        lambda: gcd.tags({"<": "x"}, at_least=2, at_most=1),
        InvalidGrammar,
        "from 2 to 1 tags is no number of them",
    ),
    (
        "a surrogate",
        lambda: gcd.literal("\ud800"),
        InvalidGrammar,
        "'\\ud800' has a lone surrogate, which no text holds",
    ),
    (
        "a surrogate in a phrase",
        lambda: gcd.until("\ud800"),
        InvalidGrammar,
        "'\\ud800' has a lone surrogate, which no text holds",
    ),
    (
        "a surrogate in a document",
        lambda: gcd.substring("\ud800"),
        InvalidGrammar,
        "the document has a lone surrogate, which no text holds",
    ),
    (
        "no document",
        lambda: gcd.substring([1]),
        InvalidGrammar,
        "the document is neither a text nor a sequence of texts",
    ),
    (
        "a document too large",
        lambda: gcd.substring("a" * 200_001),
        LimitExceeded,
        "a document of more than 200,000 characters\ntake the part that matters",
    ),
    (
        "a name that Lark has not",
        lambda: gcd.lark("start: A", rules={"A": "a"}),
        InvalidGrammar,
        "'A' is no name of a rule\nrules of Lark have names in lower case",
    ),
    (
        "a name that is there",
        lambda: gcd.lark("start: a\na: /b/", rules={"a": "a"}),
        InvalidGrammar,
        "a is defined twice (line 2, column 1)\n    a: /b/\n    ^^^^^^",
    ),
    (
        "a name that is there in GBNF",
        lambda: gcd.gbnf('root ::= a\na ::= "b"', rules={"a": "a"}),
        InvalidGrammar,
        'a is defined twice (line 2, column 1)\n    a ::= "b"\n    ^\nput the alternatives in one rule, with |',
    ),
]


@pytest.mark.parametrize(("make", "kind", "message"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_errors_come_at_once(make: Callable[[], object], kind: type[Exception], message: str | None) -> None:
    with pytest.raises(kind) as caught:
        make()
    assert type(caught.value) is kind
    if message is None:
        assert isinstance(caught.value, GrammarError)
        assert caught.value.span is not None
    else:
        assert str(caught.value) == message
