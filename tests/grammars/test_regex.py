"""Regexes: what each construct accepts, what is refused and how it is said, and what real schemas need."""

from __future__ import annotations

import json
import os
import random
import re
import unicodedata
from collections.abc import Iterator
from itertools import product

import interegular
import pytest
from data import data_folder
from naive import Language

from grammars.chars import char_dfa
from grammars.dfa import Dfa
from grammars.errors import GrammarError, InvalidGrammar, LimitExceeded, UnsupportedFeature
from grammars.frontends.regex import parse_regex
from grammars.frontends.regex_sets import Flavor, ignore_case, property_set, shorthand
from grammars.ir import NOTHING, Bytes, CharClass, Grammar, Length, Node, Ranges, Repeat, Sequence

BOTH: list[tuple[str, list[str], list[str]]] = [
    ("", [""], ["a"]),
    ("abc", ["abc"], ["", "ab", "abcd"]),
    ("a|bc|", ["a", "bc", ""], ["b", "abc"]),
    ("(a)(?:b)(?<n>c)(?P<m>d)", ["abcd"], ["abc"]),
    ("(a|b)*c", ["c", "abbac"], ["", "ab"]),
    ("a+?b??", ["a", "aab"], ["", "b", "abb"]),
    ("a{2}b{1,}c{0,2}", ["aab", "aabbcc"], ["ab", "aa", "aabccc"]),
    ("a{0}", [""], ["a"]),
    (r"\t\n\v\f\r\0", ["\t\n\v\f\r\0"], ["tnvfr0"]),
    (r"\x41\u0042\u{1F600}\cA", ["AB\U0001f600\x01"], ["AB"]),
    (r"[a-c][^a-c][\]\-\\^][a-]", ["ad]a", "bz-a", "cd\\-", "a^^a"], ["aa]a", "adda", "ad]b"]),
    (r"[\d\s][\b]", ["1\b", " \b"], ["a\b", "1b"]),
    (r"\d\D\w\W\s\S", ["1x_. x"], ["11x. x", "1xx. 1x"]),
    (".", ["a", "\u20ac", "\U0001f600"], ["", "\n", "ab"]),
    ("(?s).", ["\n", "a"], [""]),
    ("(?s:.).", ["\na"], ["a\n"]),
    ("(?i)a[b-d]", ["ab", "AD", "aC"], ["ae"]),
    ("a(?i:b)c", ["abc", "aBc"], ["ABC", "abC"]),
    ("(?i)a(?-i:b)", ["ab", "Ab"], ["aB"]),
    ("(?x) a b # c\n [ ] \\  d", ["ab  d"], ["a b"]),
    (r"\.\*\/\(\)\[\]\{\}\|\^\$", [".*/()[]{}|^$"], ["."]),
    ("]}{", ["]}{"], []),
    ("a{b,2}", ["a{b,2}"], ["aa"]),
    (r"\p{Lu}\P{Lu}\p{gc=Nd}\p{Letter}[\p{L}\d]", ["Aa1zé", "É-٣ßx"], ["aa1zz"]),
    (r"\p{Script=Greek}\p{scx=Cyrl}\P{sc=Greek}\p{Script_Extensions=Thai}", ["αж1ก"], ["aжaก", "αaaก", "αжαก"]),
    (r"\p{White_Space}\p{Lowercase}\p{Uppercase}\p{ASCII}\p{Any}\p{Assigned}\p{LC}", [" ªAa\n1a"], ["aaaaaaa"]),
    ("^a$|^$", ["a", ""], ["b"]),
    ("a^b|c$d", [], ["ab", "cd", "a", "c"]),
    ("(^a|b)c", ["ac", "bc"], ["c"]),
    ("(^|x)a($|y)", ["a", "xa", "ay", "xay"], ["x"]),
    ("(?:^a)*b", ["ab", "b"], ["aab"]),
    ("(?:a|^){3}", ["", "a", "aa", "aaa"], ["aaaa"]),
    (r"a\bb|a\b b\b|\B", ["a b", ""], ["ab", "a"]),
    (r"(a|\.)\b(b|\.)", ["a.", ".b"], ["ab", ".."]),
    ("(?=ab)a.|(?!a).x", ["ab", "bx"], ["ax", "ac"]),
    ("(?=.*1)(?!.*2)[a-z12]{2,3}", ["a1", "1ab"], ["ab", "12", "a12"]),
    ("(?:(?=a)[ab]b|c)d", ["abd", "cd"], ["bbd"]),
    ("(?:a(?!b))?b", ["b"], ["ab"]),
    (r"[ab](?<=a)c|d(?<!d)", ["ac"], ["bc", "d"]),
    (r"(?:\b\w+\b ?)*\.", [".", "a.", "ab cd."], ["ab  cd.", " ."]),
    ('"(?:(?!")[^x])*"', ['""', '"ab"'], ['"x"', '"', '"a"b"']),
    ("(?:a(?=b)|b(?=a|c)|(?<!a)c)+", ["abc", "babc", "c", "cc"], ["a", "ab", "ac", "bb"]),
    (r"(?:a|\B){2,3}b", ["aab", "ab", "aaab"], ["aaaab"]),
    ("(?<=ab)c", [], ["c", "abc"]),
    ("[ab]+(?<=ab)c", ["abc", "babc"], ["ac", "bc", "bac", "aabbc"]),
    ("[ab]{3}(?<!ab)c?(?<!bc)", ["aaa", "abb", "bbac"], ["aab", "abbc"]),
    (r"(?:a|b(?<=ab)|ab(?<=^ab)|c(?<!b[bc]))d", ["ad", "abd", "cd"], ["bd"]),
    ("(?:ab(?<=ab))?c(?<=bc|^c)(?=de)de", ["abcde", "cde"], ["bcde", "abcd"]),
    ("(?:(?!ab).)*", ["", "a", "ba", "bba"], ["ab", "bab"]),
    ("(?:(?!a)[ab])+", ["b", "bb"], ["", "ab"]),
    ("a{1000000}", [], ["a"]),
]
PYTHON: list[tuple[str, list[str], list[str]]] = [
    (r"\d\w\s", ["٣é\u2003", "1_\x1c"], ["1_\ufeff"]),
    (r"(?a)\d\w\s", ["1_ "], ["٣_ ", "1é ", "1_\u2003"]),
    (".", ["\r", "\u2028"], ["\n"]),
    ("a{,2}b{,}", ["", "aa", "bbb"], ["aaa"]),
    ("[]a]+[^]]", ["]a]x"], ["]]"]),
    (r"\Aa\Z|b\z", ["a", "b"], []),
    ("a$\n?", ["a", "a\n"], []),
    (r"(?m)^a$\n^b$", ["a\nb"], ["ab"]),
    (r"\a\101\x41\U0001F600\N{EURO SIGN}[\101]", ["\aAA\U0001f600\u20acA"], []),
    ("a(?#comment)b(?# c)*", ["ab", "abbb", "a"], []),
    ("(?i)[k]ss", ["\u212asS", "KſS"], ["ss"]),
    ("(?ai)k", ["k", "K"], ["\u212a"]),
]
ECMA: list[tuple[str, list[str], list[str]]] = [
    (r"\d\w\s", ["1_\ufeff", "1a\u2003"], ["٣a ", "1é ", "1a\x85"]),
    (r"\D\W", ["٣é"], ["1-"]),
    (".", ["\x85", "\x0b"], ["\n", "\r", "\u2028", "\u2029"]),
    ("[^]a[]|b", ["\na", "b"][1:], ["\na"]),
    ("[^]", ["\n", "a"], [""]),
    (r"\ud83d\ude00|[\ud83d\ude00x]y|[\ud800-\udfffa]z", ["\U0001f600", "\U0001f600y", "xy", "az"], ["z"]),
    (r"\-\_\@\/\,\:[\-\_]\e", ["-_@/,:_e"], []),
    (r"[\w-.]+", ["a-.", "-"], ["+"]),
    (r"[.-\d]", [".", "-", "1"], ["/"]),
    ("a{,2}", ["a{,2}"], ["aa"]),
    ("x{", ["x{"], []),
    ("a$", ["a"], ["a\n"]),
    ("(?i)ßK\u03c3", ["ẞ\u212aΣ", "ßk\u03c2"], ["ssk\u03c3"]),
    (r"(?i)\w\W", ["ſ-"], ["-ſ", "-k"]),
    ("(?<=^|,)x|,(?<=,)y", ["x", ",y"], [",x"]),
    (r"(?m)^a$\r^b", ["a\rb"], []),
]


@pytest.mark.parametrize("flavor", ["python", "ecma"])
@pytest.mark.parametrize(("pattern", "accepted", "refused"), BOTH)
def test_full_match_in_both_flavors(pattern: str, accepted: list[str], refused: list[str], flavor: Flavor) -> None:
    check(parse_regex(pattern, flavor=flavor), accepted, refused)


@pytest.mark.parametrize(("pattern", "accepted", "refused"), PYTHON)
def test_full_match_in_python(pattern: str, accepted: list[str], refused: list[str]) -> None:
    check(parse_regex(pattern), accepted, refused)


@pytest.mark.parametrize(("pattern", "accepted", "refused"), ECMA)
def test_full_match_in_ecma(pattern: str, accepted: list[str], refused: list[str]) -> None:
    check(parse_regex(pattern, flavor="ecma"), accepted, refused)


@pytest.mark.parametrize(
    ("pattern", "accepted", "refused"),
    [
        ("a", ["a", "bab", "\na\n"], ["", "b"]),
        ("^a", ["a", "ab"], ["ba", "b\na"]),
        ("a$", ["a", "ba"], ["ab", "a\n"]),
        ("^a|b$", ["ax", "xb"], ["xa", "bx"]),
        ("^$", [""], ["a", "\n"]),
        ("(^a|b)c$", ["ac", "bc", "xbc"], ["xac", "acx"]),
        ("(^|,)x(,|$)", ["x", "a,x", "x,a", ",x,"], ["ax", "xa"]),
        ("a^b", [], ["ab", "a", ""]),
        (r"\bfoo\b", ["foo", "a foo!", "éfoo"], ["afoo", "foo1"]),
        ("^(?!.*://)[a-z:/]+$", ["a/b", "a:/"], ["a://b"]),
        ("^(?=.{1,3}$)[a-z]+$", ["a", "abc"], ["abcd", ""]),
        ("^((?!mode)(?!Mode).)*$", ["", "mod", "xyz"], ["mode", "a Mode b"]),
        ("^(?!pattern$).*$", ["patterns", "a"], ["pattern"]),
        ("(?:a|$){2}", ["a", "b", ""], []),
    ],
)
def test_search_in_ecma(pattern: str, accepted: list[str], refused: list[str]) -> None:
    check(parse_regex(pattern, search=True, flavor="ecma"), accepted, refused)


def test_lookbehinds_are_those_of_re() -> None:
    """Of one length, as `re` wants them; in full matches and searches, over all texts of up to five characters."""
    looks = [
        "(?<=ab)",
        "(?<!ab)",
        "(?<=a.)",
        "(?<!..)",
        "(?<=ab|ba)",
        "(?<=^a)",
        r"(?<=\bab)",
        r"(?<=a\b.)",
        "(?<!^ab)",
    ]
    atoms = ["a", "[ab]", "a*", "b?", "(a|b)", "(?:ab)*", r"\.", "^", "$", r"\b"]
    texts = ["".join(text) for n in range(6) for text in product("ab.", repeat=n)]
    for seed in range(int(os.environ.get("GCD_RANDOM_LOOKBEHIND", "40"))):
        rng = random.Random(seed)
        some = "".join(rng.choices(atoms, k=2))
        look = rng.choice(looks)
        put = rng.choice([look, look, f"(?:{look}b|{rng.choice(atoms)})", f"(?:{look}b)?", look + rng.choice(looks)])
        pattern = f"(?a){some}{put}{''.join(rng.choices(atoms, k=2))}{rng.choice(['', '', '(?!ba)b?', '(?=ab).'])}"
        oracle = re.compile(pattern)
        for search, match in ((False, oracle.fullmatch), (True, oracle.search)):
            dfa = char_dfa(parse_regex(pattern, search=search))
            assert [text for text in texts if accepts(dfa, text)] == [text for text in texts if match(text)], pattern


def test_repeats_of_what_looks_at_its_neighbours_are_those_of_re() -> None:
    """In full matches and searches, over all texts of up to five characters; `re` finds no \\B in the empty text."""
    atoms = ["a", "b", ".", "[ab]", "a*", "b?", "(a|b)", r"\.", ""]
    places = [r"\b", r"\B", "(?=a)", "(?!b)", "(?<=a)", "(?<!b)", "^", r"\Z", r"(?=b|\Z)", "(?<=^|b)"]
    texts = ["".join(text) for n in range(6) for text in product("ab.", repeat=n)]
    for seed in range(int(os.environ.get("GCD_RANDOM_REPEATS", "60"))):
        rng = random.Random(seed)
        inner = [rng.choice(rng.choice((atoms, places))) for _ in range(rng.randint(2, 4))]
        inner.insert(1, rng.choice(("", "|", "|")))
        counts = rng.choice(("*", "+", "?", "{2,}", "{0,2}", "{2}", "{1,3}"))
        pattern = f"(?a){rng.choice(atoms)}(?:{''.join(inner)}){counts}{rng.choice([*atoms, *places])}"
        try:
            oracle = re.compile(pattern)
        except re.error:  # nothing to repeat, or `a**`
            continue
        for search, match in ((False, oracle.fullmatch), (True, oracle.search)):
            dfa = char_dfa(parse_regex(pattern, search=search))
            some = texts[1:] if r"\B" in pattern else texts
            assert [text for text in some if accepts(dfa, text)] == [text for text in some if match(text)], pattern


@pytest.mark.parametrize(
    ("pattern", "shorter"),
    [
        ("[a-z]{1,256}b", "[a-z]b"),
        ("b[a-z]{2,256}", "b[a-z]{2}"),
        ("(x*y+)+z", "yz"),
        ("a*b(c*(d|e?f+)*)", "b"),
        ("a{2,}|b*c|d+", "a{2}|c|d"),
        (r"a*\bb+", r"\bb"),
        ("^a*b*", "^"),
        ("a*", ""),
    ],
)
def test_a_search_needs_the_fewest_copies_at_its_ends(pattern: str, shorter: str) -> None:
    assert parse_regex(pattern, search=True) == parse_regex(shorter, search=True)


def test_search_in_python_knows_the_last_newline() -> None:
    check(parse_regex("a$", search=True), ["a", "ba\n"], ["a\n\n", "ab"])
    check(parse_regex(r"a\Z", search=True), ["a"], ["a\n"])


@pytest.mark.parametrize(
    ("pattern", "node"),
    [
        ("abc", Bytes(b"abc")),
        ("^abc$", Bytes(b"abc")),
        ("é[a-c]", Sequence((Bytes("é".encode()), CharClass(((97, 99),))))),
        ("a|b|[x-z]", CharClass(((97, 98), (120, 122)))),
        ("a{3,50000}", Repeat(Bytes(b"a"), 3, 50000)),
        ("(?:a{2}){1,}", Repeat(Repeat(Bytes(b"a"), 2, 2), 1, None)),
        ("a^b", NOTHING),
        (r"\bfoo\b", Bytes(b"foo")),
    ],
)
def test_nodes_are_as_plain_as_the_pattern(pattern: str, node: Node) -> None:
    assert parse_regex(pattern, flavor="ecma") == node


FAR = "lookarounds of several characters may stand outside repeats, lookbehinds before lookaheads"
WRITE_OUT = "write out what the group may be a second time"

ERRORS: list[tuple[str, Flavor, type[GrammarError], str, str, str]] = [
    # pattern, flavor, kind, message, its caret, its hint
    ("a(b", "python", InvalidGrammar, "this ( is never closed", " ^", r"write \( for the character itself"),
    ("a)", "ecma", InvalidGrammar, "this ) closes nothing", " ^", r"write \) for the character itself"),
    ("x[a", "ecma", InvalidGrammar, "this [ is never closed", " ^", r"write \[ for the character itself"),
    ("a|*", "ecma", InvalidGrammar, "* has nothing to repeat", "  ^", r"write \* for the character itself"),
    ("a{5,2}", "ecma", InvalidGrammar, "the repeat {5,2} has its bounds in the wrong order", " ^^^^^", ""),
    ("[z-a]", "python", InvalidGrammar, "the range z-a is in the wrong order", " ^^^", ""),
    (r"[\w-.]", "python", InvalidGrammar, r"\w-. is no range", " ^^^^", r"write \- for the character itself"),
    (r"\q", "python", InvalidGrammar, r"\q is no escape", "^^", r"write \\ for the backslash itself"),
    ("a\\", "ecma", InvalidGrammar, "a backslash ends the regex", " ^", r"write \\ for the character itself"),
    (r"\x4", "ecma", InvalidGrammar, r"\x needs 2 hex digits", "^^", ""),
    (r"\u{110000}", "ecma", InvalidGrammar, r"\u{110000} is beyond the last code point, U+10FFFF", "^^^^^^^^^^", ""),
    (r"\2(a)", "ecma", InvalidGrammar, r"\2 refers to no group", "^^", r"write \xHH for a character by its number"),
    ("(?<1>a)", "ecma", InvalidGrammar, "'1' is no name for a group", "^^^^^", ""),
    ("(?<a>)(?<a>)", "ecma", InvalidGrammar, "two groups have the name 'a'", "      ^^^^^", ""),
    (
        "a(?i)b",
        "python",
        InvalidGrammar,
        "flags for all of the regex stand after its start",
        " ^^^^",
        "use a group: (?i:...)",
    ),
    ("^*", "ecma", InvalidGrammar, "* repeats an anchor, which has no width", " ^", ""),
    ("(?~a)", "ecma", InvalidGrammar, "(? does not start a group here", "^^", "groups start with (, (?: or (?<name>"),
    (
        r"(a)\1",
        "ecma",
        UnsupportedFeature,
        "a backreference is not supported in a regex",
        "   ^^",
        WRITE_OUT,
    ),
    (
        r"(?<n>a)\k<n>",
        "ecma",
        UnsupportedFeature,
        "a backreference is not supported in a regex",
        "       ^^",
        WRITE_OUT,
    ),
    (
        "(?P<n>a)(?P=n)",
        "python",
        UnsupportedFeature,
        "a backreference is not supported in a regex",
        "        ^^^^",
        WRITE_OUT,
    ),
    (
        "(?>a)",
        "python",
        UnsupportedFeature,
        "an atomic group is not supported in a regex",
        "^^^",
        "write (?:...): it may change what is matched",
    ),
    (
        "(a)?(?(1)b)",
        "python",
        UnsupportedFeature,
        "a conditional group is not supported in a regex",
        "    ^^^",
        "write out both cases, as alternatives",
    ),
    (
        "a|(?R)",
        "python",
        UnsupportedFeature,
        "a recursive group is not supported in a regex",
        "  ^^^",
        "recursion is for grammars, in Lark or GBNF",
    ),
    (
        r"(?!\Ba)a",
        "python",
        UnsupportedFeature,
        "a negative lookahead that looks at what is before it is not supported in a regex",
        "^^^^^^^",
        "",
    ),
    (
        "a++",
        "python",
        UnsupportedFeature,
        "a possessive quantifier is not supported in a regex",
        " ^^",
        "drop the +: it may change what is matched",
    ),
    (
        "((?<=ab)c)*",
        "ecma",
        UnsupportedFeature,
        "a lookbehind of this kind is not supported in a regex",
        " ^^^^^^^",
        FAR,
    ),
    (
        "a(?=bc).(?<=ab)c",
        "ecma",
        UnsupportedFeature,
        "a lookahead of this kind is not supported in a regex",
        " ^^^^^^",
        FAR,
    ),
    (
        "a(?<!ab$)b",
        "ecma",
        UnsupportedFeature,
        "a negative lookbehind that looks at what is behind it is not supported in a regex",
        " ^^^^^^^^",
        "",
    ),
    (
        r"(a\b){9}",
        "ecma",
        UnsupportedFeature,
        r"a repeat of something with Python's $ in it, or of more than 8 copies with \b or a lookaround in them, "
        "is not supported",
        "     ^^^",
        r"\Z is the end of the text and nothing else; (...)* has any number of copies",
    ),
    (
        "(a$|b)*",
        "python",
        UnsupportedFeature,
        r"a repeat of something with Python's $ in it, or of more than 8 copies with \b or a lookaround in them, "
        "is not supported",
        "      ^",
        r"\Z is the end of the text and nothing else; (...)* has any number of copies",
    ),
    (
        "((?=ab)a|b)*",
        "ecma",
        UnsupportedFeature,
        "a lookahead inside a repeat is not supported in a regex",
        "           ^",
        "((?!...).)* is, where it ends a regex",
    ),
    (r"\Aa", "ecma", UnsupportedFeature, r"the escape \A is not supported in a regex", "^^", "write ^"),
    (
        "[[:alpha:]]",
        "ecma",
        UnsupportedFeature,
        "the POSIX class [:alpha:] is not supported in a regex",
        " ^^^^^^^^^",
        r"write ranges such as A-Za-z or \p{L}",
    ),
    (
        r"\p{Greek}",
        "ecma",
        UnsupportedFeature,
        "the property 'Greek' is not supported in a regex",
        "^^^^^^^^^",
        r"write \p{Script=Greek}, or Script_Extensions for all that is used in it",
    ),
    (
        r"\p{Script=Elvish}",
        "ecma",
        UnsupportedFeature,
        "the property 'Script=Elvish' is not supported in a regex",
        "^" * 17,
        "general categories such as L, and Script=Greek, are known; write other sets as ranges",
    ),
    (
        r"\ud83d",
        "ecma",
        UnsupportedFeature,
        "a lone surrogate is not supported in a regex",
        "^^^^^^",
        r"no text holds one; write the character itself, as in \u{1F600} or \U0001F600",
    ),
    ("(?L)a", "python", UnsupportedFeature, "the flag 'L' is not supported in a regex", "^^^^", "flags: a i m s u x"),
    ("a{1000001}", "ecma", LimitExceeded, "a repeat of more than 1,000,000", " ^^^^^^^^^", ""),
]


@pytest.mark.parametrize(
    ("pattern", "flavor", "kind", "message", "caret", "hint"), ERRORS, ids=[row[0] for row in ERRORS]
)
def test_errors_say_where_and_what_to_do(
    pattern: str, flavor: Flavor, kind: type[GrammarError], message: str, caret: str, hint: str
) -> None:
    with pytest.raises(kind) as caught:
        parse_regex(pattern, flavor=flavor)
    column = len(caret) - len(caret.lstrip()) + 1
    whole = f"{message} (line 1, column {column})\n    {pattern}\n    {caret}" + f"\n{hint}" * bool(hint)
    assert (type(caught.value), str(caught.value)) == (kind, whole)


@pytest.mark.parametrize(
    "pattern",
    [
        "(" * 100_000,
        "(" * 5000 + ")" * 5000,
        "(?:" * 70 + "a" + ")*" * 70,
        "(a|" * 80 + ")" * 80,
        "((?=a)b|" * 99 + ")" * 99,
    ],
)
def test_deep_nesting_is_a_typed_error(pattern: str) -> None:
    with pytest.raises(LimitExceeded, match="a regex with more than 64 nested groups"):
        parse_regex(pattern)


def test_nesting_up_to_the_limit_is_read() -> None:
    node = parse_regex("(?:" * 64 + "ab" + "|c)*" * 64)
    assert isinstance(node, Repeat)


def test_lookaheads_that_multiply_a_pattern_are_a_typed_error() -> None:
    with pytest.raises(LimitExceeded, match="a regex of more than 300,000 parts"):
        parse_regex(r"(?:(?=a+b)[ab]{2}|(?=b+a)[ab]{3})" * 40)


def test_repeats_that_multiply_a_pattern_are_a_typed_error() -> None:
    with pytest.raises(LimitExceeded) as caught:
        parse_regex(r"(?:(?:b?b.|\b)(?:\b|b?b?))*")
    assert str(caught.value) == (
        r"a repeat of something with \b or lookarounds in it that has more than 400 parts"
        "\nmove them out of the repeat"
    )


def test_long_patterns_are_flat() -> None:
    node = parse_regex("|".join(f"word{i}[0-9]" for i in range(5_000)))
    assert len(node.items) == 5_000  # type: ignore[union-attr]


def test_shorthands_of_python_are_those_of_re() -> None:
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    for letter in "dws":
        assert spread(shorthand(letter, "python")) == set(re.findall(rf"\{letter}", every))
        ascii_only = set(re.findall(rf"(?a)\{letter}", every))
        assert spread(shorthand(letter, "python", ascii_only=True)) == ascii_only


def test_shorthands_of_ecma_are_those_of_the_specification() -> None:
    assert spread(shorthand("s", "ecma")) == {
        c for c in map(chr, range(0x10000)) if c in "\t\n\v\f\r\ufeff\u2028\u2029" or unicodedata.category(c) == "Zs"
    }


def test_ignoring_case_is_that_of_re_for_every_cased_character() -> None:
    cased = [c for c in map(chr, [*range(0xD800), *range(0xE000, 0x110000)]) if c.lower() != c or c.upper() != c]
    text = "".join(cased)
    for char in cased:
        expected = set(re.findall(char, text, re.IGNORECASE))
        assert spread(ignore_case(((ord(char), ord(char)),), "python")) == expected, hex(ord(char))


def test_properties_are_those_of_unicodedata() -> None:
    for name, test in {"Lu": {"Lu"}, "P": {"Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"}, "LC": {"Lu", "Ll", "Lt"}}.items():
        ranges = property_set(name)
        assert ranges is not None
        assert spread(ranges) == {c for c in map(chr, range(0x110000)) if unicodedata.category(c) in test}
    assert [property_set(name) for name in ("", "L=", "Script=greek", "Cs", "lu")] == [None] * 5


@pytest.mark.parametrize(
    "pattern", ["(ab|b)*a?", "a{2,3}b*|c", "[^ab]c+", "(a|b(c|)){2}", "a(bc)?(?=c)c", "[a-b]+[^c]"]
)
def test_members_are_those_of_interegular(pattern: str) -> None:
    language = Language(Grammar({"start": parse_regex(pattern)}))
    oracle = interegular.parse_pattern(pattern).to_fsm()
    texts = ["".join(text) for n in range(6) for text in product("abc", repeat=n)]
    assert [text for text in texts if language.accepts(text.encode())] == [t for t in texts if oracle.accepts(t)]


def test_real_patterns_are_read_and_mean_what_re_says() -> None:
    """Members found by a walk through the automaton, and what one change makes of them; `re` is asked in ASCII mode."""
    random.seed(7)
    patterns = sorted(set(real_patterns()))
    refused = []
    for number, pattern in enumerate(patterns):
        try:
            node = parse_regex(pattern, search=True, flavor="ecma")
        except UnsupportedFeature as error:
            refused.append(error.message)
            continue
        if number % 25:
            continue
        try:
            oracle = re.compile(pattern, re.ASCII)
            dfa = char_dfa(Length(node, 0, 60))
        except (re.error, LimitExceeded):
            continue
        for text in walks(dfa):
            assert bool(oracle.search(text)) == accepts(dfa, text), (pattern, text)
    assert refused == ["a backreference is not supported in a regex"]


def real_patterns() -> Iterator[str]:
    """Every `pattern` and every key of `patternProperties` of the real schemas."""
    pending = [json.loads(path.read_text())["schema"] for path in sorted(data_folder("maskbench").glob("*.json"))]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if isinstance(value.get("pattern"), str):
                yield value["pattern"]
            if isinstance(value.get("patternProperties"), dict):
                yield from value["patternProperties"]
            pending += value.values()
        elif isinstance(value, list):
            pending += value


def walks(dfa: Dfa) -> Iterator[str]:
    """Some members of at most 60 characters, each also with one character changed, all without line ends."""
    for _ in range(6):
        state, text = 0, ""
        while dfa.edges[state] and not (state in dfa.finals and random.random() < 0.3):
            low, high, state = random.choice(dfa.edges[state])
            text += chr(random.randint(low, min(high, max(low, 0x7E))))
        at = random.randrange(len(text) + 1)
        for candidate in (text, text[:at] + random.choice("a0 -_./") + text[at + 1 :]):
            if candidate.isascii() and not set(candidate) & set("\n\r\x1c\x1d\x1e\x1f") and len(candidate) <= 60:
                yield candidate


def accepts(dfa: Dfa, text: str) -> bool:
    state = 0
    for char in text:
        following = [target for low, high, target in dfa.edges[state] if low <= ord(char) <= high]
        if not following:
            return False
        (state,) = following
    return state in dfa.finals


def check(node: Node, accepted: list[str], refused: list[str]) -> None:
    language = Language(Grammar({"start": node}))
    assert [text for text in [*accepted, *refused] if language.accepts(text.encode())] == accepted


def spread(ranges: Ranges) -> set[str]:
    return {chr(code) for low, high in ranges for code in range(low, high + 1)}
