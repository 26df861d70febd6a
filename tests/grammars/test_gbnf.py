"""GBNF and EBNF: what constructs accept, what is refused and how it is said, and random grammars against Earley."""

from __future__ import annotations

import os
import random
from itertools import product
from pathlib import Path

import lark
import pytest
from mask_laws import check_case
from naive import Language
from random_grammars import Case
from written_grammars import LETTERS, as_gbnf, as_lark, members, nodes, random_rules

import gcd
from gcd.parse import parse_wanted
from grammars.captures import captures
from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, GrammarError, InvalidGrammar, LimitExceeded, UnsupportedFeature
from grammars.frontends.gbnf import is_gbnf, parse_gbnf
from grammars.ir import Choice, Grammar, Sequence, SpecialToken

CASES = int(os.environ.get("GCD_RANDOM_GBNF", "60"))

TABLE: list[tuple[str, list[str], list[str]]] = [
    # grammar, accepted, refused
    ('root ::= "a" | "b" "c" |', ["a", "bc", ""], ["b", "abc"]),
    ('root ::= ""', [""], ["a"]),
    ('root ::= ( ) "a" ("b" | )', ["a", "ab"], ["", "b"]),
    ("root ::= [a-c] [^a-c\\n] [-x] [x-] [\\]\\[\\\\^]", ["ad-x]", "bzxx^", "cd--\\"], ["aa-x]", "a\n-x]", "ad-x-"]),
    ("root ::= [a\\-c]+", ["a-c"], ["b"]),
    ("root ::= [+--]", ["+", ",", "-"], ["a"]),
    ("root ::= . [^]", ["\n\n", "é😀"], ["", "a", "abc"]),
    (r'root ::= "\n\t\r\\\"\x41\u00e9\U0001F600\[\]\-"', ['\n\t\r\\"Aé😀[]-'], ["nt"]),
    (r'root ::= "\b\f\a\v\0\e\/\'' + r'\?"', ["\b\f\a\v\0\x1b/'?"], ["bfav0e/'?"]),
    (r"root ::= [\x00-\x1f] [\u4e00-\u9fff]", ["\0\u4e00", "\x1f\u9fff"], [" \u4e00", "\0a"]),
    ('root ::= "é" [é-ü]', ["éé", "éü"], ["ée"]),
    ('root ::= a* b+ c?\na ::= "a"\nb ::= "b"\nc ::= "c"', ["b", "aabbc"], ["", "ac", "bcc"]),
    ('root ::= "a"{2} "b"{1,} "c"{0,2} "d"{0}', ["aab", "aabbcc"], ["ab", "aa", "aabccc", "aabd"]),
    ('root ::= ("a" | "b"){2,-1}', ["aa", "abab"], ["a"]),
    ('root ::= "ab"+? "c"', ["c", "abc", "ababc"], ["bc", "abbc"]),
    ('root ::= "a" [0-9]{1,3}\n', ["a1", "a123"], ["a", "a1234"]),
    ('# one\nroot ::= # two\n  "a" | # three\n  "b" (\n    "c"\n    # four\n  )\n\n# five', ["a", "bc"], ["b"]),
    ('root ::= "a"\n  "b"\n  | "c"\nx ::= "x"', ["ab", "c"], ["a", "abc"]),
    ('root ::= "#" "a ::= b" [:=]', ["#a ::= b:", "#a ::= b="], ["#"]),
    ('root ::= check-mate Rule_2 3\ncheck-mate ::= "#"\nRule_2 ::= "2"\n3 ::= "3"', ["#23"], ["#2"]),
    ('root ::= a.b c.d\na.b ::= "x"\nc ::= "c"\nd ::= "d"', ["xcxd", "xc\nd"], ["x", "xcd"]),
    ('root\n  ::= "a"\r\nb ::= "b"\r\n', ["a"], ["b"]),
    ('\ufeffroot ::= "a"', ["a"], ["b"]),
    ('root ::= root "+" n | n\nn ::= [0-9]+', ["1", "1+22+3"], ["1+", "+1"]),
    ('root ::= o root "a" | "b"\no ::= "a"?', ["b", "aba", "baa"], ["a"]),
    ('root ::= "(" root* ")"', ["()", "(()(()))"], ["(", "(()"]),
    (
        """
root ::= TagDispatch(
    ("<t>", call),   # free text in which calls stand
    ("<u>", unit),
    loop_after_dispatch = true,
    excludes = ("!", "no")
) "!"
call ::= "(" call ")" | "-"
unit ::= [a-z] | <tool>
""",
        ["!", "hi!", "<t!", "<t>((-))<u>x<t>-n!", "a<u>b!"],
        ["", "hi", "<t>(!", "<u>!", "no!", "!!"],
    ),
    (
        'root ::= TagDispatch(("ab", b), loop_after_dispatch=false) ";"\nb ::= "b" [b]*',
        [";", "aa;", "aabb;", "abbb;"],
        ["ab;", "abbxx;", "abc;", "abb"],
    ),
    ('root ::= TagDispatch(excludes=("aa",)) TagDispatch()', ["", "aba", "aaa"], []),
    (
        r"""
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws     ::= | " " | "\n" [ \t]{0,20}
""",
        ['{"a": [1, -2.5e3, {}], "b\\"": null}', "{}\n  ", '{"\\u00e9": true}'],
        ['{"a": }', "[1]", '{"\x7f": 1}', "{'a': 1}"],
    ),
]


@pytest.mark.parametrize(("grammar", "accepted", "refused"), TABLE, ids=[row[0][:40] for row in TABLE])
def test_what_constructs_mean(grammar: str, accepted: list[str], refused: list[str]) -> None:
    language = Language(parse_gbnf(grammar))
    assert is_gbnf(grammar)
    assert [text for text in [*accepted, *refused] if language.accepts(text.encode())] == accepted


def test_special_tokens_are_symbols() -> None:
    language = Language(parse_gbnf("root ::= <think> [a-z]* </think> <|im_end|>?"))
    assert language.accepts(("<think>", *b"hm", "</think>"))
    assert language.accepts(("<think>", "</think>", "<|im_end|>"))
    assert not language.accepts(b"<think></think>")


def test_another_start() -> None:
    assert Language(parse_gbnf('a ::= "x"', start="a")).accepts(b"x")


@pytest.mark.parametrize("first", range(0, CASES, 20))
def test_random_grammars_mean_what_earley_and_the_naive_reading_say(first: int) -> None:
    """All texts of up to four letters: the text as GBNF, as Lark under lark's Earley, and the tree behind both."""
    every = ["".join(letters) for n in range(5) for letters in product(LETTERS, repeat=n)]
    for seed in range(first, min(first + 20, CASES)):
        rules = random_rules(seed)
        written = as_gbnf(rules, seed)
        read = parse_gbnf(written)
        expected = members(nodes(rules), 4)
        assert members(read, 4) == expected, (seed, written)
        assert engine(read, every) == expected, (seed, written)
        oracle = lark.Lark(as_lark(rules), parser="earley", lexer="dynamic_complete", ambiguity="forest")
        assert {text.encode() for text in every if parses(oracle, text)} == expected, (seed, written)


def engine(grammar: Grammar, texts: list[str]) -> set[bytes]:
    try:
        automaton = compile_grammar(grammar)
    except EmptyLanguage:
        return set()
    return {text.encode() for text in texts if automaton.accepts(text.encode())}


def parses(oracle: lark.Lark, text: str) -> bool:
    try:
        oracle.parse(text)
    except lark.UnexpectedInput:
        return False
    return True


LAWS = [
    'root ::= root "+" root | "a" | "(" root ")"',
    'root ::= e e?\ne ::= "a" e "b" | [ab]{2,3} | "(" root* ")"',
    'root ::= ("a" "b"?){2,4} (root | ) "+"',
]


@pytest.mark.parametrize("grammar", LAWS)
def test_masks_are_exact(grammar: str) -> None:
    rng = random.Random(5)
    tokens = [b"a", b"b", b"(", b")", b"+", b"ab", b"a)", b"((", b"+a", b"a+(", b")+", b"", b"aba"]
    for seed in range(3):
        rng.shuffle(tokens)
        eos = (tokens.index(b""),)
        met = check_case(Case(seed, parse_gbnf(grammar), tuple(tokens), eos), walks=1, steps=6)
        assert met["checked"]
        assert met["masks"]


ERRORS: list[tuple[str, type[GrammarError], str, int, str, str]] = [
    # text, kind, message, the number of the line that is shown (0: none), its caret, the hint
    ("", InvalidGrammar, "the grammar has no rule root", 0, "", "write root ::= ..."),
    ('rot ::= "a"', InvalidGrammar, "the grammar has no rule root", 0, "", "did you mean rot?"),
    ('a ::= "a"\nb ::= a', InvalidGrammar, "the grammar has no rule root", 0, "", "its rules are: a, b"),
    (
        'root : "a"',
        InvalidGrammar,
        "expected ::= behind the name root",
        1,
        "     ^",
        "a rule is written name ::= ...",
    ),
    (
        "root ::= vlaue\nvalue ::= [a]",
        InvalidGrammar,
        "the rule vlaue is not defined",
        1,
        "         ^^^^^",
        "did you mean value?",
    ),
    ('root ::= "a"\nx "b"', InvalidGrammar, "the rule x is not defined", 2, "^", "a rule begins with x ::= ..."),
    (
        "root ::= 'a'",
        InvalidGrammar,
        '"\'" cannot stand here',
        1,
        "         ^",
        'strings stand in double quotes: "..."',
    ),
    (
        'root ::= "a',
        InvalidGrammar,
        "this string is not closed on its line",
        1,
        "         ^",
        r"a line break is written \n",
    ),
    (
        "root ::= [a\n]",
        InvalidGrammar,
        "this set is not closed on its line",
        1,
        "         ^",
        r"a line break is written \n",
    ),
    (
        "root ::= [a-",
        InvalidGrammar,
        "this set is not closed on its line",
        1,
        "         ^",
        r"a line break is written \n",
    ),
    (
        "root ::= []",
        InvalidGrammar,
        "a set of no characters",
        1,
        "         ^^",
        r"write \[ or \] for a bracket inside a set",
    ),
    ("root ::= [b-a]", InvalidGrammar, "the range b-a is in the wrong order", 1, "          ^^^", ""),
    (r"root ::= [\d]", InvalidGrammar, r"\d is no escape", 1, "          ^^", "write [0-9]"),
    (r'root ::= "\q"', InvalidGrammar, r"\q is no escape", 1, "          ^^", r"write \\ for the backslash itself"),
    (r'root ::= "\x4"', InvalidGrammar, r"\x needs 2 hex digits", 1, "          ^^", ""),
    (
        r'root ::= "\x41B"',
        InvalidGrammar,
        r"\x41B is \x41 and B in GBNF and one character in EBNF",
        1,
        "          ^^^^",
        r"write \u0041 for the first, or all digits behind \U for the second",
    ),
    (
        r'root ::= "\U00110000"',
        InvalidGrammar,
        r"\U00110000 is beyond the last code point, U+10FFFF",
        1,
        "          ^^^^^^^^^^",
        "",
    ),
    (
        r'root ::= "\ud83d"',
        UnsupportedFeature,
        "a lone surrogate is not supported in a GBNF grammar",
        1,
        "          ^^^^^^",
        r"no text holds one; write \U0001F600",
    ),
    (
        'root ::= "a" | ("b"',
        InvalidGrammar,
        "this ( is never closed",
        1,
        "               ^",
        'write "(" for the character itself',
    ),
    (
        'root ::= "a") "b"',
        InvalidGrammar,
        "this ) closes nothing",
        1,
        "            ^",
        'write ")" for the character itself',
    ),
    (
        "root ::= a | *\na ::= [a]",
        InvalidGrammar,
        "* has nothing to repeat",
        1,
        "             ^",
        'write "*" for the character itself',
    ),
    (
        'root ::= "a"{,3}',
        InvalidGrammar,
        "a count is written {2}, {2,} or {2,4}",
        1,
        "            ^",
        "{0,4} is up to 4 times",
    ),
    (
        'root ::= "a"{3,2}',
        InvalidGrammar,
        "the repeat {3,2} has its bounds in the wrong order",
        1,
        "            ^^^^^",
        "",
    ),
    (
        'root ::= "a" |\nx ::= "b"',
        InvalidGrammar,
        "a rule begins behind this |",
        1,
        "             ^",
        'an empty alternative is written ""',
    ),
    (
        'root ::= "a" x ::= "b"',
        InvalidGrammar,
        "the rule x does not begin on a line of its own",
        1,
        "             ^",
        "",
    ),
    (
        'root ::= "a"\nroot ::= "b"',
        InvalidGrammar,
        "root is defined twice",
        2,
        "^^^^",
        "put the alternatives in one rule, with |",
    ),
    (
        'root ::= "a";',
        InvalidGrammar,
        "';' cannot stand here",
        1,
        "            ^",
        "a rule ends where the next one begins, without a sign",
    ),
    ("root ::= < a", InvalidGrammar, "'<' cannot stand here", 1, "         ^", "a special token is written <name>"),
    (
        "root ::= <[^7]>",
        UnsupportedFeature,
        "this set of tokens is not supported in a GBNF grammar",
        1,
        "         ^^^^^^",
        "special tokens by number are written <[7]> or <[7,9-12]>, at most 1,000 of them",
    ),
    (
        "root ::= !</think>*",
        UnsupportedFeature,
        "all tokens but one is not supported in a GBNF grammar",
        1,
        "         ^^^^^^^^^",
        "write .* for any text: special tokens are no text, so none is in it",
    ),
    (
        'root ::= Regex("a+")',
        UnsupportedFeature,
        "the macro Regex is not supported in a GBNF grammar",
        1,
        "         ^^^^^",
        "",
    ),
    (
        'root ::= TagDispatch(("a", b), stop_eos=true)\nb ::= "b"',
        UnsupportedFeature,
        "the option stop_eos of TagDispatch is not supported in a GBNF grammar",
        1,
        "                               ^^^^^^^^^",
        "",
    ),
    (
        'root ::= TagDispatch(("a", b), ("ab", b))\nb ::= "b"',
        InvalidGrammar,
        "the tag 'ab' contains 'a', which is found first",
        1,
        "         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        "begin at the shorter one, and choose between what may follow it",
    ),
    (
        'root ::= TagDispatch(("a", b), ("a", b))\nb ::= "b"',
        InvalidGrammar,
        "the tag 'a' is given twice",
        1,
        "         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        "",
    ),
    (
        'root ::= TagDispatch(("a"))',
        InvalidGrammar,
        'a tag is written ("<tag>", rule)',
        1,
        "                     ^^^^^",
        "",
    ),
    (
        "root ::= TagDispatch((a, a))\na ::= [a]",
        InvalidGrammar,
        "a phrase is a string in double quotes",
        1,
        "                      ^",
        "",
    ),
    (
        'root ::= TagDispatch(excludes=("a" "b"))',
        InvalidGrammar,
        "this list is never closed",
        1,
        "                              ^",
        "",
    ),
    (
        "root ::= TagDispatch(loop_after_dispatch=yes)",
        InvalidGrammar,
        "loop_after_dispatch is true or false",
        1,
        "                     ^^^^^^^^^^^^^^^^^^^^",
        "",
    ),
    (
        'root[temperature=1] ::= "a"',
        UnsupportedFeature,
        "a rule option is not supported in a GBNF grammar",
        1,
        "    ^^^^^^^^^^^^^^^",
        "leave it out: it does not change the texts",
    ),
    (
        'root ::= "a" (="b")',
        UnsupportedFeature,
        "lookahead is not supported in a GBNF grammar",
        1,
        "             ^^",
        "leave it out: xgrammar uses it to be faster and does not enforce it",
    ),
    ('root ::= "a"{1000001}', LimitExceeded, "a repeat of more than 1,000,000", 1, "            ^^^^^^^^^", ""),
    (
        f'root ::= {"(" * 65}"a"{")" * 65}',
        LimitExceeded,
        f'more than 64 nested groups (line 1, column 74)\n    {"(" * 60}("a"{")" * 56}\n    {" " * 60}^',
        0,
        "",
        "",
    ),
]


@pytest.mark.parametrize(
    ("text", "kind", "message", "line", "caret", "hint"), ERRORS, ids=[row[0][:40] for row in ERRORS]
)
def test_errors_say_where_and_what_to_do(
    text: str, kind: type[GrammarError], message: str, line: int, caret: str, hint: str
) -> None:
    with pytest.raises(kind) as caught:
        parse_gbnf(text)
    place = []
    if line:
        message += f" (line {line}, column {len(caret) - len(caret.lstrip()) + 1})"
        place = [f"    {text.splitlines()[line - 1]}", f"    {caret}"]
    assert str(caught.value) == "\n".join([message, *place, *[hint] * bool(hint)])


@pytest.mark.parametrize(
    "text",
    [
        "root ::= " + " " * 50_000 + "*", "root ::= " + "# #" * 20_000 + "\n)", "root ::= " + "a" * 50_000,
        "root ::= " + "[" * 9_999, 'root ::= "' + "\\" * 9_999, "\x00", "root ::= \x00", "root ::= {", "root ::= !",
        "root ::= <", "root ::= \\", "root ::= .a", "::=", 'root ::= "\ud800"', "root ::= [\ud800]",
    ],
    ids=lambda text: repr(text[:14]),
)  # fmt: skip
def test_other_texts_are_grammar_errors_at_once(text: str) -> None:
    with pytest.raises(GrammarError):
        parse_gbnf(text)


def test_many_rules_and_long_rules_do_not_nest() -> None:
    chain = "\n".join(f'r{i} ::= "a" r{i + 1} | "b"' for i in range(2000))
    assert len(parse_gbnf(f'root ::= r0\n{chain}\nr2000 ::= "c"').rules) == 2002
    assert len(parse_gbnf("root ::= " + " | ".join(f'"{i}"' for i in range(20_000))).rules["root"].items) == 20_000  # type: ignore[union-attr]


def test_the_first_line_tells_the_notation() -> None:
    assert [
        is_gbnf(text)
        for text in (
            '# a\n// b\n\nroot ::= "a"', 'root[capture] ::= "a"', 'start: "root ::= a"', "// root ::= a\nstart: A",
            '%import common.INT\nroot ::= "a"', "?start: A", "", "root :: =", "a.b-c ::= d", "#" * 9_999, "a " * 9_999,
        )
    ] == [True, True, False, False, False, False, False, False, True, False, False]  # fmt: skip


def test_the_name_of_a_file_decides(tmp_path: Path) -> None:
    for name, text, message in [
        ("a.gbnf", 'start: "a"', "expected ::= behind the name start"),
        ("a.EBNF", "", "the grammar has no rule root"),
        ("a.lark", 'root ::= "a"', "expected a name, a string or a regex or the end of the line, found :"),
    ]:
        (tmp_path / name).write_text(text)
        with pytest.raises(InvalidGrammar) as caught:
            parse_wanted(grammar=tmp_path / name).to_grammar()
        assert caught.value.message == message
    (tmp_path / "a.txt").write_text('root ::= "a"')
    assert parse_wanted(grammar=tmp_path / "a.txt").to_grammar().start == "root"


def test_grammar_takes_it() -> None:
    assert gcd.check(grammar='root ::= "a" root | "b"').error is None


def test_special_tokens_by_number() -> None:
    third, fourth = SpecialToken("<[3]>"), SpecialToken("<[4]>")
    assert parse_gbnf("root ::= <[03]> <[3-4,3]>").rules["root"] == Sequence((third, Choice((third, fourth))))
    for text in ("<[]>", "<[4-3]>", "<[1-1001]>", "<[0-999,2000]>", "<[*]>", "<[3 ,4]>"):
        with pytest.raises(UnsupportedFeature, match="this set of tokens is not supported"):
            parse_gbnf(f"root ::= {text}")


def test_rules_that_are_captured() -> None:
    grammar = parse_gbnf('root ::= word ("," word)* end\nword[capture] ::= [a-z]+\nend[ capture = "last one" ] ::= "!"')
    assert captures(grammar, b"ab,c!") == [("word", 0, 2), ("word", 3, 4), ("last one", 4, 5)]
    with pytest.raises(UnsupportedFeature, match="a rule option is not supported in a GBNF grammar"):
        parse_gbnf('root[capture=1] ::= "a"')
