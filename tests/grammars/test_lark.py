"""Lark grammars: the language is that of lark's own Earley parser without a lexer; errors say where and what to do."""

from __future__ import annotations

import json
import os
import random
import re
from collections import Counter
from itertools import product
from pathlib import Path

import lark
import pytest
from mask_laws import check_case
from naive import Language
from random_grammars import Case
from written_grammars import as_lark, members, nodes, random_rules

from grammars.compile import compile_grammar
from grammars.errors import InvalidGrammar, LimitExceeded, UnsupportedFeature
from grammars.frontends.lark import parse_lark
from grammars.ir import EPSILON, AtMostTokens, Bytes, Sequence

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
    ("counts of a template's use", 'start: x{A} ~ 2 | x{"b"}\nx{y}: y "b"\nA: "a"', "ab", 5),
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
    (
        "templates",
        'start: _sep{pair{A, "b"}, ","}\n_sep{x, s}: x (s x)*\npair{x, y}: x | "(" y ")"\nA: "a"',
        "ab(,)",
        4,
    ),
    ("a template that uses itself", 'start: nest{"a" }\nnest{x}: x | "(" nest{x} ")"', "a()", 6),
    ("a template in a template", 'start: twice{twice{a}}\ntwice{x}: x x\na: "a" | "b"', "ab", 5),
    ("override a terminal", '%import common.DIGIT\n%override DIGIT: "a".."b"\nstart: DIGIT', "ab1", 3),
    ("override, not in terminals", '%import common (DIGIT, INT)\n%override DIGIT: "a"\nstart: INT DIGIT', "a1", 4),
    ("extend", 'start: a\na: "x"\n%extend a: "y" a | B\nB: "b"\n%extend B: "c"', "xybc", 4),
    ("lookahead inside a terminal", "start: /(?!ab)[ab]{2}/ /a/", "ab", 5),
    ("lookahead in an alternative", 'start: /(?:(?=ba)b|c)a|b/ "b"', "abc", 4),
    ("lookahead of a character", 'start: /a(?=b)[bc]/ "c"', "abc", 4),
    ("lookbehind inside a terminal", r"start: /[ab]+(?<!b)c/", "abc", 5),
    ("long lookbehind inside a terminal", 'start: /[ab]{2}(?<!ab)[ab](?<=ba|bb)/ "a"', "ab", 5),
    ("long lookbehind and lookahead", "start: /[ab]{2}(?<=ab)(?!ba)[ab]{2}/", "ab", 5),
    ("word boundaries inside a terminal", r"start: /a\b-|ab/ 'a'".replace("'", '"'), "a-b", 4),
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


def test_both_and_all_others() -> None:
    language = Language(
        parse_lark('start: NAME "!"\nNAME: /[a-z]+/ & ~/if|do/ & ~WORD | ~/(?s:.)+/ "-"\nWORD: "ab" ~ 2')
    )
    accepted = ["i!", "iff!", "ab!", "ababab!", "-!"]
    assert [t for t in [*accepted, "if!", "do!", "abab!", "!", "a-!"] if language.accepts(t.encode())] == accepted


def test_options_end_a_text_as_soon_as_they_can() -> None:
    text = 'start: said "!"\nsaid[suffix="</a>"]: /(.|\\n)*/'
    language = Language(parse_lark(text))
    accepted = ["</a>!", "x</a></a!</a>!".replace("</a></a!", ""), "<</a>!"]
    assert [t for t in [*accepted, "!", "</a></a>!", "</a!"] if language.accepts(t.encode())] == accepted
    language = Language(parse_lark("start: A B\nA[lazy]: /[ab]*b/ | /a/\nB: /[ab]*/"))
    assert [t for t in ("a", "b", "ab", "ba", "") if language.accepts(t.encode())] == ["a", "b", "ab", "ba"]
    language = Language(parse_lark('start: A "a"\nA[lazy]: /[ab]*b/'))
    assert [t for t in ("ba", "aba", "bba", "aa") if language.accepts(t.encode())] == ["ba", "aba"]


def test_a_limit_in_tokens_is_for_the_text_before_the_suffix() -> None:
    limited = 'start: said B\nsaid[max_tokens=20, suffix=";"]: /[ab]*/\nB[max_tokens=3]: "b"\n%ignore " "'
    plain = 'start: said B\nsaid[suffix=";", capture]: /[ab]*/\nB: "b"\n%ignore " "'
    rules, parts = parse_lark(limited).rules, parse_lark(plain).rules
    ignored, b = parts["B"].items
    said = parts["said[capture=said]"]
    for name, text, most, suffix in (("said", said, 20, Bytes(b";")), ("B", b, 3, EPSILON)):
        assert rules[name] == Sequence((ignored, Sequence((AtMostTokens(text, most), suffix))))


def test_counts_in_braces_are_those_behind_a_tilde() -> None:
    """As in llguidance."""
    braces = 'start: a{2} t{"x"}{1,3} A{,2} (a | "b"){1,}\na: A{ 2 , 3 }\nt{x}: x\nA: /y/{2}'
    tildes = 'start: a ~ 2 t{"x"} ~ 1..3 A ~ 0..2 (a | "b")+\na: A ~ 2..3\nt{x}: x\nA: /y/ ~ 2'
    assert parse_lark(braces).rules == parse_lark(tildes).rules


def test_special_tokens_and_schemas_stand_among_rules() -> None:
    text = """
start: <|tool|> call ("," call)* </tool>   // %json in a comment, "%json"
call: NAME %json {
  "type": "array", "items": {"enum": ["%json {", "a"]}, "minItems": 1
}
NAME: /[a-z]+/ | "%json"
%ignore " "
"""
    language = Language(parse_lark(text))
    assert language.accepts(("<|tool|>", *b'f ["a"]', *b', g["%json {", "a"]', "</tool>"))
    assert language.accepts((*b"  ", "<|tool|>", *b'%json["a"]', "</tool>", *b" "))
    assert not language.accepts(("<|tool|>", *b"f []", "</tool>"))
    assert not language.accepts(b'<|tool|>f ["a"]</tool>')


def test_llguidances_header_changes_nothing_but_where_text_is_ignored() -> None:
    body = 'start: "a" %json {"enum": [[1]]} "b"'
    skip = '%llguidance {"no_forcing": true, "allow_initial_skip": true}'
    for header in ("%llguidance {}", '\n  %llguidance {"no_forcing": false,\n "allow_invalid_utf8": false}'):
        assert parse_lark(f"{header}\n{body}") == parse_lark(body)
    assert parse_lark(f'{skip}\n{body}\n%ignore " "') == parse_lark(f'{body}\n%ignore " "')


def test_what_a_schema_lacks_is_said_with_both_places() -> None:
    with pytest.raises(UnsupportedFeature) as caught:
        parse_lark('start: "a"\n  | %json {"not": {"uniqueItems": true}}')
    assert str(caught.value).startswith("in the %json of line 2: the opposite of uniqueItems")
    assert caught.value.pointer == "/not/uniqueItems"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".lark")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_files_are_imported_as_lark_imports_them(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        parts__pair='%import .words (WORD, list)\npair: WORD "=" list{num}\nnum: N+\nN: "1"\nalone: "z"\n%ignore " "',
        parts__words='WORD: LETTER+\nLETTER: "a"\nlist{x}: x ("," x)*\n%declare UNUSED',
        deep__below__more="more: /m/",
    )
    for text, alphabet in [
        ("%import parts.pair.pair\nstart: pair", "a=,1"),
        ('%import parts.pair.pair -> p\nstart: p\n%ignore ";"', "a=1;"),
        ('%import parts.pair (pair, num, N)\n%override N: "2"\nstart: pair num', "a=12"),
        ('%import parts.pair (pair, num)\n%extend num: "x"\nstart: pair\nnumb: num', "a=x1"),
        ('%import parts.words (WORD, LETTER)\n%override LETTER: "1"\nstart: WORD LETTER', "a1"),
        ("%import deep.below.more.more\n%import common.DIGIT -> N\nstart: more N?", "m1"),
        ('%import .parts.words.list\nstart: list{"a"}', "a,"),
    ]:
        language = Language(parse_lark(text, import_root=root))
        # relative imports begin at the root here, beside the script in lark
        source = text.replace("%import .", "%import ")
        oracle = lark.Lark(
            source, parser="earley", lexer="dynamic_complete", ambiguity="forest", import_paths=[str(root)]
        )
        every = ["".join(t) for n in range(6) for t in product(alphabet, repeat=n)][:200]
        expected = [t for t in every if parses(oracle, t)]
        assert [t for t in every if language.accepts(t.encode())] == expected, text
        assert expected


def test_no_import_leads_out_of_the_root(tmp_path: Path) -> None:
    root = write(tmp_path / "root", a="%import .b.b\na: b", b="%import .a.a\nb: a", c='c: "c', d='%declare D\nd: D "d"')
    write(tmp_path, secret='secret: "s"')
    (root / "link.lark").symlink_to(tmp_path / "secret.lark")
    for text, message in [
        ("%import link.secret\nstart: secret", "this import leads out of import_root"),
        ("%import a.a\nstart: a", "in a.lark: in b.lark: this file imports itself"),
        ("%import c.c\nstart: c", "in c.lark: '\"' cannot stand here"),
        ("%import gone.x\nstart: x", "there is no gone.lark in import_root"),
        ("%import d.e\nstart: e", "d defines no e"),
    ]:
        with pytest.raises(InvalidGrammar) as caught:
            parse_lark(text, import_root=root)
        assert caught.value.message == message
    with pytest.raises(UnsupportedFeature, match="%declare is not supported"):
        parse_lark("%import d.d\nstart: d", import_root=root)
    chain = {f"f{i}": f"%import .f{i + 1}.r\n" for i in range(40)}
    with pytest.raises(LimitExceeded, match="more than 32 files import one another"):
        parse_lark("%import f0.r\nstart: r", import_root=write(tmp_path / "long", **chain))


@pytest.mark.parametrize("seed", range(int(os.environ.get("GCD_RANDOM_LARK", "40"))))
def test_random_grammars_mean_what_earley_says(seed: int) -> None:
    rules = random_rules(seed + 7000)
    text = as_lark(rules)
    oracle = lark.Lark(text, parser="earley", lexer="dynamic_complete", ambiguity="forest")
    every = ["".join(letters) for n in range(5) for letters in product("ab", repeat=n)]
    expected = {t.encode() for t in every if parses(oracle, t)}
    assert members(parse_lark(text), 4) == members(nodes(rules), 4) == expected, text


def test_lookaround_that_is_read_sees_nothing_of_the_text_around() -> None:
    """`re` finds the same texts between all neighbours; where it would not, the terminal is refused."""
    atoms = ["a", "[ab]", "a*", "b?", "(?:a|b)", "(?:ab)*", "[ab]{2}"]
    looks = ["(?=ab)", "(?!ba)", "(?<=ab)", "(?<!ba)", "(?=a)", "(?<!b)", r"\b", r"\B", "^", "(?!aab)"]
    texts = ["".join(letters) for n in range(4) for letters in product("ab", repeat=n)]
    around = ["", "a", "b", "ab", "-"]
    met = Counter[str]()
    for seed in range(int(os.environ.get("GCD_RANDOM_LOOKAROUND", "150"))):
        rng = random.Random(seed)
        parts = [rng.choice(atoms), rng.choice(looks), *(rng.choice(rng.choice((atoms, atoms, looks))) for _ in "123")]
        pattern = "".join(parts)
        try:
            language = Language(parse_lark(f"start: A\nA: /{pattern}/"))
        except UnsupportedFeature:
            met["refused"] += 1
            continue
        met["read"] += 1
        members = {text for text in texts if language.accepts(text.encode())}
        for before, behind in product(around, around):
            regex = re.compile(f"(?:{pattern}){behind}")
            found = {text for text in texts if regex.fullmatch(before + text + behind, len(before))}
            assert found == members, (pattern, before, behind)
    assert min(met["read"], met["refused"]) > 20, met


LAWS = [
    'start: _sep{pair{"a"}, ","}\n_sep{x, s}: x (s x)*\npair{x}: x | "(" start ")"\n%ignore " "',
    'start: said start | "!"\nsaid[suffix="ab"]: /[ab ]*/',
    'start: NAME ("," NAME)*\nNAME: /[ab]{1,3}/ & ~/ab|b/',
]


@pytest.mark.parametrize("grammar", LAWS)
def test_masks_are_exact(grammar: str) -> None:
    tokens = (b"a", b"b", b"(", b")", b",", b"!", b" ", b"ab", b"b,", b"a),", b" (", b"", b"ba", b"b!")
    met = check_case(Case(1, parse_lark(grammar), tokens, (tokens.index(b""),)), walks=1, steps=4)
    assert met["checked"]


def test_another_start() -> None:
    assert Language(parse_lark('a: "x"', start="a")).accepts(b"x")


def test_what_the_start_does_not_need_is_left_out() -> None:
    assert set(parse_lark("start: A\nA: /a/\nunused: B\nB: /(?<=a)b/").rules) == {"start", "A"}


def test_many_rules_do_not_nest() -> None:
    chain = "\n".join(f'r{i}: "a" r{i + 1} | "b"' for i in range(2000))
    assert len(parse_lark(f'start: r0\n{chain}\nr2000: "c"').rules) == 2002


FIRST = "import it first, or drop the directive"
SCHEMA = 'write a JSON Schema: %json {"type": "object"}'
WRITTEN = "Lark writes name: ... and ends a rule with its line"

INVALID: list[tuple[str, str, int, str, str]] = [
    # text, message, the number of the line that is shown (0: none), its caret, the hint
    ("", "the grammar has no rule start", 0, "", "write start: ..."),
    (
        "%llguidance {no_forcing}\nstart: /a/",
        "%llguidance is followed by no object of options",
        1,
        "^" * 12,
        "write %llguidance {}",
    ),
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
    (r'start: "a\x1"', r"\x is the escape of no character", 1, "       ^^^^^^", ""),
    ("start: /a\nb/", "a regex with a line break needs the flag x", 1, "       ^", r"write \n for the character"),
    ('start: "a" ~ -1', "the repeat ~ -1 is negative", 1, "       ^^^^^^^^", ""),
    ('start: "b" /a(/', "this ( is never closed", 1, "             ^", r"write \( for the character itself"),
    (
        "%import common.WORDS\nstart: WORDS",
        "lark's common defines no WORDS",
        1,
        "               ^^^^^",
        "did you mean WORD?",
    ),
    ("%import common.WORD -> w\nstart: w", "a terminal needs a name in upper case", 1, "                       ^", ""),
    (
        '%import common.INT\nINT: "a"\nstart: INT',
        "INT is defined twice",
        2,
        "^^^^^^^^",
        "",
    ),
    (
        '%override a: "a"\nstart: "b"',
        "%override changes a, which nothing before it defines",
        1,
        "^^^^^^^^^^^^^^^^",
        FIRST,
    ),
    (
        '%extend strat: "a"\nstart: "b"',
        "%extend changes strat, which nothing before it defines",
        1,
        "^^^^^^^^^^^^^^^^^^",
        FIRST,
    ),
    (
        'start: t{"a"}\nt{x}: x\n%extend t{y}: y',
        "%extend gives t other parameters than it has",
        3,
        "^^^^^^^^^^^^^^^",
        "",
    ),
    ('start: t{"a"}\nt{x, y}: x y', "t takes 2 arguments, not 1", 1, "       ^^^^^^", "its parameters are x, y"),
    ("start: t\nt{x}: x", "t takes 1 arguments, not 0", 1, "       ^", "its parameters are x"),
    ('start: a{"a"}\na: "a"', "a takes 0 arguments, not 1", 1, "       ^^^^^^", "write a"),
    ('start: pear{"a"}\npair{x}: x', "the template pear is not defined", 1, "       ^^^^^^^^^", "did you mean pair?"),
    ('start: t{"a", "b"}\nt{x, x}: x', "two parameters of t have the name x", 2, "         ^", ""),
    ('start: t{"a"} b\nt{b}: b b\nb: "b"', "the parameter b of t has the name of a rule", 2, "      ^^^", ""),
    ("%import A\nstart: A", "%import A names no file", 1, "        ^", "%import common.A"),
    (
        "start: %json {'a': 1}",
        "what follows %json is no JSON: expecting property name enclosed in double quotes",
        1,
        "              ^",
        SCHEMA,
    ),
    ("start: %json", "what follows %json is no JSON: expecting value", 1, "            ^", SCHEMA),
    ('start[lazy="a"]: /a/', "the option lazy is written name[lazy]: ...", 1, "      ^^^^^^^^", ""),
    ("start[max_tokens]: /a/", "the option max_tokens is written name[max_tokens=50]: ...", 1, "      ^^^^^^^^^^", ""),
    ("start[max_tokens=0]: /a/", "max_tokens is a number from 1 to 1,000,000", 1, "      ^^^^^^^^^^^^", ""),
    (
        "start[max_tokens=5.5]: /a/",
        "the option max_tokens is written name[max_tokens=50]: ...",
        1,
        "      ^^^^^^^^^^^^^^",
        "",
    ),
    ("start: /a/{3,2}", "the repeat ~ 3..2 has its bounds in the wrong order", 1, "       ^^^^^^^^", ""),
    ("start[suffix]: /a/", 'the option suffix is written name[suffix="..."]: ...', 1, "      ^^^^^^", ""),
    (
        "start[lazy]: a\na: /a/",
        "the rule start, which has options, refers to the rule a",
        1,
        "             ^",
        "terminals are made of terminals: rename one (rules are lower, terminals upper case)",
    ),
    (
        "start: a = /b/",
        "expected a name, a string or a regex or the end of the line, found =",
        1,
        "         ^",
        WRITTEN,
    ),
]

AROUND = "an anchor or lookaround that may see the text around its terminal is not supported"
NOT_AROUND = "say in the rules what may follow, or exclude texts: NAME: /[a-z]+/ & ~/if|else/"

UNSUPPORTED: list[tuple[str, str, int, str, str]] = [
    # text, message, the number of the line that is shown (0: none), its caret, the hint
    ("%declare A\nstart: A", "%declare is not supported in a Lark grammar", 1, "^^^^^^^^^^", ""),
    (
        "%import .other.A",
        "an import from anything but lark's library is not supported in a Lark grammar",
        1,
        "        ^^^^^^^^",
        "write %import common.NAME, give import_root=Path(...) for files, or copy the definitions here",
    ),
    (
        "%import mine (A, B)",
        "an import from anything but lark's library is not supported in a Lark grammar",
        1,
        "        ^^^^",
        "write %import common.NAME, give import_root=Path(...) for files, or copy the definitions here",
    ),
    ("start: /a(?!b)/ /b/", AROUND, 1, "         ^^^^^", NOT_AROUND),
    ("start: /(?!ab)a/ /b/", AROUND, 1, "        ^^^^^^", NOT_AROUND),
    (r"start: /(?!(?:if|do)\b)[a-z]+/", AROUND, 1, "        ^^^^^^^^^^^^^^^", NOT_AROUND),
    ("start: /a(?<!ba)/", AROUND, 1, "         ^^^^^^^", NOT_AROUND),
    ("start: A\nA: /^a/", AROUND, 2, "    ^", NOT_AROUND),
    (
        'start: t{a}\na: "a"\nt{x}: x{a}',
        "a parameter that is used as a template is not supported in a Lark grammar",
        3,
        "      ^^^^",
        "",
    ),
    (
        "start: A\nA: <think>",
        "a special token in a terminal is not supported",
        2,
        "   ^^^^^^^",
        "say it in a rule (lower case)",
    ),
    ("start: A\nA: %json {}", "%json in a terminal is not supported", 2, "   ^^^^^", "say it in a rule (lower case)"),
    (
        "start: <[7-1007]>",
        "this set of tokens is not supported in a Lark grammar",
        1,
        "       ^^^^^^^^^^",
        "special tokens by number are written <[7]> or <[7,9-12]>, at most 1,000 of them",
    ),
    (
        "start: a & /b/\na: /a/",
        "& or ~ outside of a terminal is not supported in a Lark grammar",
        1,
        "       ^^^^^^^",
        "say it in a terminal: NAME: /[a-z]+/ & ~/if|else/",
    ),
    (
        'start[stop="a"]: /a+/',
        "the option stop is not supported in a Lark grammar",
        1,
        "      ^^^^^^^^",
        'write name[suffix="..."]: ..., which ends with the text that it stops at',
    ),
    (
        "start[temperature=0.5]: /a/",
        "the option temperature is not supported in a Lark grammar",
        1,
        "      ^^^^^^^^^^^^^^^",
        "leave it out: temperature= is for the whole text",
    ),
    (
        "start[stop=/a|b/]: /a+/",
        "the option stop is not supported in a Lark grammar",
        1,
        "      ^^^^^^^^^^",
        'write name[suffix="..."]: ..., which ends with the text that it stops at',
    ),
    ("start[lasy]: /a/", "the option lasy is not supported in a Lark grammar", 1, "      ^^^^", "did you mean lazy?"),
    (
        "start: B\nB: A\nA[lazy]: /a+/",
        "the terminal A, which has options, is not supported in another terminal",
        2,
        "   ^",
        "name it in a rule (lower case)",
    ),
    (
        "start: /<.*?>.*?;/",
        "a lazy quantifier is supported here only as one character, lazily repeated before a fixed end",
        1,
        "          ^^",
        'say what may not occur instead: /"[^"]*"/ for /".*?"/',
    ),
    ("start: /a/l", "the flag l (locale) is not supported", 1, "       ^^^^", ""),
    (
        '%llguidance {"allow_invalid_utf8": true}\nstart: "a"',
        "the option allow_invalid_utf8 of %llguidance is not supported",
        1,
        "^" * 40,
        "",
    ),
    (
        '%llguidance {}\nstart: "a" "b"\n%ignore " "',
        "%ignore under %llguidance, where nothing is ignored before the first terminal, is not supported",
        3,
        "^" * 11,
        '%llguidance {"allow_initial_skip": true} allows it there too',
    ),
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


def test_items_of_an_embedded_schema_differ() -> None:
    inner = {"type": "array", "items": {"$ref": "#/$defs/a"}, "uniqueItems": True, "$defs": {"a": {"enum": ["x", "y"]}}}
    accepts = compile_grammar(parse_lark(f'start: "f" %json {json.dumps(inner)} ";"')).accepts
    assert accepts(b'f["x", "y"];')
    assert not accepts(b'f["x", "x"];')


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
        ('start: t{"a"}\nt{x}: t{u{x}} | x\nu{x}: x x', "more than 10,000 uses of templates"),
        ("start: %json " + '{"not":' * 9000, "the JSON behind this %json is nested too deeply"),
    ],
    ids=["groups", "optionals", "groups in a terminal", "doubling", "long", "count", "templates", "json"],
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
