"""Lark grammars: the language is that of lark's own Earley parser without a lexer; errors say where and what to do."""

from __future__ import annotations

from itertools import product

import lark
import pytest
from naive import Language

from grammars.errors import InvalidGrammar, LimitExceeded, UnsupportedFeature
from grammars.frontends.lark import parse_lark

# (what it shows, grammar, alphabet, longest): all texts over the alphabet are compared with lark.
COMPARED = [
    ("left recursion", 'start: start "+" n | n\nn: /[0-9]+/', "1+", 7),
    ("indirect left recursion", 'start: a\na: b "y" | "a"\nb: a "x" | "b"', "abxy", 5),
    ("hidden left recursion", 'start: o start "a" | "b"\no: "a"?', "ab", 7),
    ("ambiguity", 'start: start start | "a" | "b"', "ab", 6),
    ("nullable rules", 'start: a b\na: "x"*\nb: a | "y" b\n', "xy", 6),
    ("nesting", 'start: "(" start* ")"', "()", 8),
    ("unit cycle", 'start: a\na: start | "x"', "x", 4),
    ("overlapping terminals", 'start: KEYWORD NAME?\nKEYWORD: "if"\nNAME: /[if]+/', "if", 6),
    ("ranges, groups, counts", 'start: ("a".."c" ~ 2 | "d" ~ 1..2) ["e"]', "abcde", 4),
    ("terminals of terminals", 'start: NUMBER\nNUMBER: INT ("." INT)?\nINT: DIGIT+\nDIGIT: "0".."1"', "01.", 6),
    ("flags", 'start: "Ab"i /b/i', "aAbB", 4),
    ("prefixes, aliases, priorities", '?start: _x -> one\n     | y\n!y.2: "y"\n_x: X\nX.3: "x"', "xy", 3),
    ("empty alternatives", 'start: "a" |\n', "a", 3),
    ("ignored text", 'start: "a" b*\nb: "b"\n%ignore " "', "ab ", 6),
    ("ignored text alone", 'start: "a"*\n%ignore " "', "a b", 5),
    ("ignored terminals", 'start: W+\nW: /a+/\n%ignore S\n%ignore "-"\nS: " "+', "a -", 6),
    ("ignored inside a terminal is not ignored", 'start: X\nX: "a" "b"\n%ignore " "', "ab ", 5),
    ("comments and lines", '// one\nstart: "a" // two\n  # three\n  | "b"\n\n# four', "ab", 3),
    ("lazy to a quote", "start: /'.*?'/ \"a\"", "'a", 7),
    ("lazy to two characters", 'start: C "*"?\nC: "<" /(.|\\n)*?/ "*>"', "<*>", 7),
    ("lazy before what may follow", "start: /'.*?'[ab]*/", "'ab", 6),
    ("lazy at the end", "start: /a+?/ /a/", "a", 4),
    ("lazy with bounds", "start: /a{1,3}?a/ /b/", "ab", 6),
    ("lazy where it changes nothing", r"start: /'([^'\\]|\\.)*?'/", "'a\\", 6),
    ("lazy alternatives", "start: /'.*?'|a.*?b/", "'ab", 6),
    ("escaped strings", "%import common.ESCAPED_STRING\nstart: ESCAPED_STRING", '"a\\', 7),
    ("library", "%import common.SIGNED_NUMBER -> N\n%import common (WS, C_COMMENT)\nstart: N+\n%ignore WS", "1.e- ", 4),
    ("library under a name it uses", "%import common.INT -> DIGIT\nstart: DIGIT", "1a", 4),
    ("ignored comments", '%import common.C_COMMENT\nstart: "a"\n%ignore C_COMMENT', "a/*", 7),
    ("string escapes", r'start: "\n" | "\\" | "\"" | "\x61" | "\d"', '\n\\"ad', 3),
]


@pytest.mark.parametrize(
    ("grammar", "alphabet", "longest"), [row[1:] for row in COMPARED], ids=[r[0] for r in COMPARED]
)
def test_language_is_that_of_lark(grammar: str, alphabet: str, longest: int) -> None:
    language = Language(parse_lark(grammar))
    oracle = lark.Lark(grammar, parser="earley", lexer="dynamic_complete", ambiguity="forest")
    every = ["".join(text) for n in range(longest + 1) for text in product(alphabet, repeat=n)][:1500]
    expected = [text for text in every if parses(oracle, text)]
    assert [text for text in every if language.accepts(text.encode())] == expected
    assert 0 < len(expected) < len(every)


def parses(oracle: lark.Lark, text: str) -> bool:
    try:
        oracle.parse(text)
    except lark.UnexpectedInput:
        return False
    return True


JSON = r"""
?start: value
?value: object | array | string | SIGNED_NUMBER -> number | "true" | "false" | "null"
array: "[" [value ("," value)*] "]"
object: "{" [pair ("," pair)*] "}"
pair: string ":" value
string: ESCAPED_STRING

%import common.ESCAPED_STRING
%import common.SIGNED_NUMBER
%import common.WS
%ignore WS
"""


def test_a_grammar_as_people_write_it() -> None:
    grammar = parse_lark(JSON)
    language = Language(grammar)
    accepted = ['{"a": [1, -2.5e3, {}], "b\\"": null}', " [ ] ", "true"]
    refused = ['{"a": }', "[1 2 3", '"a"b"', "{'a': 1}", ""]
    assert [text for text in accepted + refused if language.accepts(text.encode())] == accepted
    assert grammar.source == JSON


def test_terminals_are_declarative_where_lark_asks_re_once() -> None:
    language = Language(parse_lark('start: /a|ab/ "c"\n%ignore / +/'))
    assert [text for text in ("ac", "abc", "a c", "a  c") if language.accepts(text.encode())] == [
        "ac",
        "abc",
        "a c",
        "a  c",
    ]
    assert Language(parse_lark(r"start: /\x2e/")).accepts(b".")
    assert not Language(parse_lark(r"start: /\x2e/")).accepts(b"a")


def test_a_terminal_may_be_empty() -> None:
    language = Language(parse_lark('start: A "b" A\nA: /a*/\n%ignore / */'))
    assert [text for text in ("b", "ab a", " b ", "a") if language.accepts(text.encode())] == ["b", "ab a", " b "]


def test_another_start() -> None:
    assert Language(parse_lark('a: "x"', start="a")).accepts(b"x")


def test_what_the_start_does_not_need_is_left_out() -> None:
    assert set(parse_lark("start: A\nA: /a/\nunused: B\nB: /(?<=a)b/").rules) == {"start", "A"}


def test_many_rules_do_not_nest() -> None:
    chain = "\n".join(f'r{i}: "a" r{i + 1} | "b"' for i in range(2000))
    assert len(parse_lark(f'start: r0\n{chain}\nr2000: "c"').rules) == 2002


INVALID: list[tuple[str, str, int, str, str]] = [
    # text, message, the number of the line that is shown (0: none), its caret, the hint
    ("", "the grammar has no rule start", 0, "", "write start: ..."),
    (
        'Start: "x"',
        "expected :, found tart",
        1,
        " ^^^^",
        "names are all lower case (rules) or all upper case (terminals)",
    ),
    ('strat: "x"', "the grammar has no rule start", 0, "", "did you mean strat?"),
    ('a: "x"\nb: a', "the grammar has no rule start", 0, "", "its rules are: a, b"),
    ("start: value\nvalues: A", "the rule value is not defined", 1, "       ^^^^^", "did you mean values?"),
    ('start: "a"\n  | NUMBER', "the terminal NUMBER is not defined", 2, "    ^^^^^^", "%import common.NUMBER gets it"),
    ('start: "a"\n%ignore WS', "the terminal WS is not defined", 2, "        ^^", "%import common.WS gets it"),
    (
        'start ::= "a"',
        "expected a name, a string or a regex or the end of the line, found :",
        1,
        "       ^",
        "::= is GBNF or EBNF; Lark writes name: ...",
    ),
    ("start: 'a'", '"\'" cannot stand here', 1, "       ^", 'strings stand in double quotes: "..."'),
    ('start: "a', "'\"' cannot stand here", 1, "       ^", "this string is not closed on its line"),
    ('start: ("a"', "expected ), found the end of the line", 1, "           ^", ""),
    (
        'start: A\nA: "a" B\nB: A',
        "the terminal A refers to itself",
        3,
        "   ^",
        "only rules (lower case) may be recursive",
    ),
    (
        "start: A\nA: b\nb: A",
        "the terminal A refers to the rule b",
        2,
        "   ^",
        "terminals are made of terminals: rename one (rules are lower, terminals upper case)",
    ),
    ('start: "a"\nstart: "b"', "start is defined twice", 2, "^^^^^^^^^^", ""),
    ('start: "a" ~ 3..2', "the repeat ~ 3..2 has its bounds in the wrong order", 1, "       ^^^^^^^^^^", ""),
    (
        'start: "z".."a"',
        "a range goes from one character to a later one",
        1,
        "       ^^^^^^^^",
        'write "a".."z", without flags',
    ),
    ('start: ""', "a string cannot be empty", 1, "       ^^", "write nothing at all, as in: a: b |"),
    (r'start: "\ud83d"', "no text holds a lone surrogate", 1, "       ^^^^^^^^", r"write \U0001F600"),
    ('start: "b" /a(/', "this ( is never closed", 1, "             ^", r"write \( for the character itself"),
    (
        "%import common.WORDS\nstart: WORDS",
        "lark's common defines no WORDS",
        1,
        "               ^^^^^",
        "did you mean WORD?",
    ),
    ("%import common.WORD -> w\nstart: w", "a terminal needs a name in upper case", 1, "                       ^", ""),
]

UNSUPPORTED: list[tuple[str, str, int, str, str]] = [
    # text, message, the number of the line that is shown (0: none), its caret, the hint
    ('start: pair{A}\npair{x}: x x\nA: "a"', "a template is not supported in a Lark grammar", 2, "^^^^", ""),
    ("%declare A\nstart: A", "%declare is not supported in a Lark grammar", 1, "^^^^^^^^^^", ""),
    ('%override start: "a"', "%override is not supported in a Lark grammar", 1, "^^^^^^^^^^^^^^^^^^^^", ""),
    ('%extend start: "a"', "%extend is not supported in a Lark grammar", 1, "^^^^^^^^^^^^^^^^^^", ""),
    (
        "%import .other.A",
        "an import from anything but lark's common is not supported in a Lark grammar",
        1,
        "        ^^^^^^^^",
        "write %import common.NAME, or copy the definitions here",
    ),
    (
        "%import python (A, B)",
        "an import from anything but lark's common is not supported in a Lark grammar",
        1,
        "        ^^^^^^",
        "write %import common.NAME, or copy the definitions here",
    ),
    (
        "start: /a(?!b)/ /b/",
        "anchors and lookarounds in a terminal are not supported",
        1,
        "         ^^^^^",
        "a terminal knows nothing of the text around it: say in the rules what may follow",
    ),
    (
        "start: /<.*?>.*?;/",
        "a lazy quantifier is supported here only as one character, lazily repeated before a fixed end",
        1,
        "          ^^",
        'say what may not occur instead: /"[^"]*"/ for /".*?"/',
    ),
    ("start: /a/l", "the flag l (locale) is not supported", 1, "       ^^^^", ""),
]


@pytest.mark.parametrize(("text", "message", "line", "caret", "hint"), INVALID, ids=[row[0] for row in INVALID])
def test_wrong_grammars_say_where_and_what_to_do(text: str, message: str, line: int, caret: str, hint: str) -> None:
    with pytest.raises(InvalidGrammar) as caught:
        parse_lark(text)
    assert str(caught.value) == whole(text, message, line, caret, hint)


@pytest.mark.parametrize(("text", "message", "line", "caret", "hint"), UNSUPPORTED, ids=[row[0] for row in UNSUPPORTED])
def test_what_is_not_supported_is_refused_by_name(text: str, message: str, line: int, caret: str, hint: str) -> None:
    with pytest.raises(UnsupportedFeature) as caught:
        parse_lark(text)
    assert str(caught.value) == whole(text, message, line, caret, hint)


def whole(text: str, message: str, line: int, caret: str, hint: str) -> str:
    """The whole of an error: the message with the place, the line, the caret, the hint."""
    place = []
    if line:
        message += f" (line {line}, column {len(caret) - len(caret.lstrip()) + 1})"
        place = [f"    {text.splitlines()[line - 1]}", f"    {caret}"]
    return "\n".join([message, *place, *[hint] * bool(hint)])


LONG = "start: A\nA: " + '"a" ' * 30_000
DOUBLING = "\n".join(f"T{i + 1}: T{i} T{i}" for i in range(40))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'start: {"(" * 200}"a"{")" * 200}', "more than 64 nested groups"),
        (f'start: {"[" * 5000}"a"{"]" * 5000}', "more than 64 nested groups"),
        (f'start: A\nA: {"(" * 200}"a"{")" * 200}', "terminals and groups nested more than 64 deep"),
        (f'start: T40\nT0: "a"\n{DOUBLING}', "the terminal T40 has more than 20,000 pieces"),
        (LONG, "the terminal A has more than 20,000 pieces"),
        ('start: "a" ~ 1000001', "a repeat of more than 1,000,000"),
    ],
    ids=["groups", "optionals", "groups in a terminal", "doubling", "long", "count"],
)
def test_limits_are_typed_errors(text: str, message: str) -> None:
    with pytest.raises(LimitExceeded) as caught:
        parse_lark(text)
    assert caught.value.message == message


@pytest.mark.parametrize(
    "text",
    ["%", "start: \\", "start: ->", "\x00", "start: ~ 3", "{}", "%import", "a" * 9999, 'start: "\ud800"', "start: /*/"],
)
def test_other_texts_are_grammar_errors(text: str) -> None:
    with pytest.raises(InvalidGrammar):
        parse_lark(text)
