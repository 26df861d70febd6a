"""read_lark: the text of a Lark grammar to the tree that `lark` makes of it, with positions.

Place in the walk: **Lark text -> syntax tree** -> Grammar. `lark` reads Lark: the notation is written down below in
its own notation, as in lark's `load_grammar.py`, and parsed by a `lark.Lark`.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from functools import lru_cache
from typing import TypeAlias

import lark

from grammars.errors import InvalidGrammar, LimitExceeded, Span, UnsupportedFeature

__all__ = ["Tree", "read_lark", "span_of"]

Tree: TypeAlias = lark.Tree[lark.Token]

# Terminals are those of lark 1.3; the basic lexer prefers longer patterns, so that a comment takes the newline and the
# indentation before it, and a newline before a bar is part of the bar.
_NOTATION = r"""
start: (rule | term | ignore | import | declare | override | extend | _NL)*

rule: MODIFIERS? RULE (params | options)? priority? _COLON expansions _NL
term: TERMINAL options? priority? _COLON expansions _NL
options: _LBRA option (_COMMA option)* _RBRA
option: RULE (_EQ (STRING | REGEXP | NUMBER | DECIMAL))?
params: _LBRACE RULE (_COMMA RULE)* _RBRACE
priority: _DOT NUMBER

ignore: _IGNORE expansions _NL
import: _IMPORT path (names | rename)? _NL
path: relative? _name (_DOT _name)*
relative: _DOT
names: _LPAR _name (_COMMA _name)* _RPAR
rename: _TO _name
declare: DECLARE _name+ _NL
override: OVERRIDE (rule | term)
extend: EXTEND (rule | term)
_name: RULE | TERMINAL

expansions: alias ((_OR | _NL_OR) alias)*
?alias: expansion (_TO RULE)?
expansion: (atom | complement | operator | counted | braced)*
         | _expr (_AND _expr)+                -> intersection
_expr: atom | complement | operator | counted | braced
complement: _NOT atom
operator: (atom | complement) OP
counted: (atom | complement) _TILDE NUMBER (_DOTDOT NUMBER)?
braced: (atom | complement) BRACED
?atom: _LPAR expansions _RPAR
     | _LBRA expansions _RBRA                 -> maybe
     | value
?value: TERMINAL                              -> terminal
      | RULE                                  -> nonterminal
      | STRING                                -> string
      | REGEXP                                -> regexp
      | SPECIAL                               -> special
      | JSON                                  -> json
      | STRING _DOTDOT STRING                 -> range
      | RULE _LBRACE value (_COMMA value)* _RBRACE -> template

_LPAR: "("
_RPAR: ")"
_LBRA: "["
_RBRA: "]"
_LBRACE: "{"
_RBRACE: "}"
_COLON: ":"
_COMMA: ","
_OR: "|"
_DOT: /\.(?!\.)/
_DOTDOT: ".."
_TILDE: /~(?=\s*[+-]?\d)/
_NOT: /~(?!\s*[+-]?\d)/
_AND: "&"
_EQ: "="
_TO: "->"
_IGNORE: "%ignore"
_IMPORT: "%import"
DECLARE: "%declare"
OVERRIDE: "%override"
EXTEND: "%extend"
OP: /[+*]|[?](?![a-z_])/
BRACED.1: /\{\s*(\d+\s*(,\s*\d*\s*)?|,\s*\d+\s*)\}/
MODIFIERS: /(!|![?]?|[?]!?)(?=[_a-z])/
RULE: /_?[a-z][_a-z0-9]*/
TERMINAL: /_?[A-Z][_A-Z0-9]*/
STRING: /"([\\]"|[\\][\\]|[^"\n])*?"i?/
REGEXP: /\/(?!\/)([\\]\/|[\\][\\]|[^\/])*?\/[imslux]*/
SPECIAL: /<[^<>\s]+>/
JSON: "%json"
NUMBER: /[+-]?\d+/
DECIMAL: /[+-]?\d+\.\d+/
_NL: /(\r?\n)+\s*/
_NL_OR: /(\r?\n)+\s*\|/
WS: /[ \t]+/
COMMENT: /\s*\/\/[^\n]*|\s*#[^\n]*/
BACKSLASH: /\\[ ]*\n/
%ignore WS
%ignore COMMENT
%ignore BACKSLASH
"""

# `%json`, or what it may be hidden in: strings, special tokens, comments, regexes.
_OTHER = re.compile(r'"(?:[^"\\\n]|\\.)*+"|<[^<>\s]+>|//[^\n]*|#[^\n]*|/(?:[^/\\]|\\.)++/|(%json)', re.DOTALL)

# How llguidance, SGLang and llama.cpp have Lark told from GBNF.
_HEADER = re.compile(r"\s*(%llguidance)\s*")

# What may come next, as people call it: a label for the first of its terminals that may.
_LABELS = (
    ("a name, a string or a regex", {"STRING"}),
    ("the name of a rule or terminal", {"RULE", "TERMINAL"}),
    (":", {"_COLON"}),
    (")", {"_RPAR"}),
    ("]", {"_RBRA"}),
    ("}", {"_RBRACE"}),
    ("..", {"_DOTDOT"}),
    ("a number", {"NUMBER"}),
    ("the end of the line", {"_NL"}),
)


@lru_cache(maxsize=1)
def _parser() -> lark.Lark:
    return lark.Lark(_NOTATION, parser="lalr", lexer="basic", propagate_positions=True, maybe_placeholders=False)


@lru_cache(maxsize=4)  # `gcd check` asks for the tree of what was just read
def read_lark(text: str) -> Tree:
    """The syntax tree of a Lark grammar: a `start` whose children are `rule`, `term`, `ignore`, `import`, ...

    Raises `InvalidGrammar` with the place and what was expected there.

    >>> read_lark('start: "a"').children[0].data
    Token('RULE', 'rule')
    """
    body, initial_skip = _cut_header(text)
    padded, schemas = _cut_schemas(body) if "%json" in body else (body, {})
    try:
        # Each line ends, also the last.
        tree = _parser().parse(padded + "\n")
    except lark.UnexpectedToken as error:
        raise _unexpected_token(text, error) from None
    except lark.UnexpectedCharacters as error:
        at = error.pos_in_stream or 0
        raise InvalidGrammar(
            f"{text[at]!r} cannot stand here", span=Span(text, at, at + 1), hint=_character_hint(text, at)
        ) from None
    if not initial_skip and (ignored := next(tree.find_data("ignore"), None)) is not None:
        raise UnsupportedFeature(
            "%ignore under %llguidance, where nothing is ignored before the first terminal, is not supported",
            span=span_of(text, ignored),
            hint='%llguidance {"allow_initial_skip": true} allows it there too',
        )
    for node in tree.find_data("json") if schemas else ():
        (token,) = node.children
        assert isinstance(token, lark.Token)
        node.children[0] = token.update(value=schemas[token.start_pos or 0])
    return tree


def _cut_header(text: str) -> tuple[str, bool]:
    """The text with spaces for the `%llguidance {...}` that it begins with, and whether ignored text may come first."""
    header = _HEADER.match(text)
    if header is None:
        return text, True
    options: object = None
    end = header.end()
    with suppress(json.JSONDecodeError):
        options, end = json.JSONDecoder().raw_decode(text, header.end())
    span = Span(text, header.start(1), end)
    if not isinstance(options, dict):
        raise InvalidGrammar("%llguidance is followed by no object of options", span=span, hint="write %llguidance {}")
    for name, value in options.items():
        # how forced text is cut into tokens is no matter of the language
        if name not in ("no_forcing", "allow_initial_skip") and value is not False:
            raise UnsupportedFeature(f"the option {name} of %llguidance is not supported", span=span)
    return " " * end + text[end:], bool(options.get("allow_initial_skip", False))


def _cut_schemas(text: str) -> tuple[str, dict[int, str]]:
    """The text with spaces for the JSON behind each `%json`, and this JSON by the place of its `%json`."""
    schemas: dict[int, str] = {}
    padded, at = "", 0
    while (match := _OTHER.search(text, at)) is not None:
        padded += text[at : match.end()]
        at = match.end()
        if match[1] is None:
            continue
        begin = at + len(text[at:]) - len(text[at:].lstrip())
        try:
            end = json.JSONDecoder().raw_decode(text, begin)[1]
        except json.JSONDecodeError as error:
            where = min(error.pos, len(text))
            raise InvalidGrammar(
                f"what follows %json is no JSON: {error.msg[:1].lower()}{error.msg[1:]}",
                span=Span(text, where, where + 1),
                hint='write a JSON Schema: %json {"type": "object"}',
            ) from None
        except RecursionError:
            raise LimitExceeded(
                "the JSON behind this %json is nested too deeply", span=Span(text, at - 5, at)
            ) from None
        schemas[match.start(1)] = text[begin:end]
        padded += " " * (end - at)
        at = end
    return padded + text[at:], schemas


def span_of(text: str, part: Tree | lark.Token) -> Span:
    """Where a token or tree stands in the text; an empty tree has no place and stands at its start."""
    place = part if isinstance(part, lark.Token) else part.meta
    start, end = getattr(place, "start_pos", None), getattr(place, "end_pos", None)
    return Span(text, start or 0, end if end is not None else 1)


def _unexpected_token(text: str, error: lark.UnexpectedToken) -> InvalidGrammar:
    accepted = error.accepts or error.expected
    labels: list[str] = []
    for label, terminals in _LABELS:
        # After a value nearly everything may come: then what ends it is what is missing.
        if terminals & accepted and not ("STRING" in accepted and label == "the name of a rule or terminal"):
            labels.append(label)
    token = error.token
    at = min(token.start_pos if token.start_pos is not None else len(text), len(text))
    found = "the end of the line" if token.type in ("_NL", "$END") else str(token)
    expected = " or ".join(labels) or "nothing more"
    return InvalidGrammar(
        f"expected {expected}, found {found}",
        span=Span(text, at, at + 1 if found.startswith("the end") else at + len(token)),
        hint=_token_hint(text, token, at),
    )


def _token_hint(text: str, token: lark.Token, at: int) -> str | None:
    if re.search(r"^\s*[\w-]+\s*::=", text, re.MULTILINE):
        return "::= is GBNF or EBNF; Lark writes name: ..."
    if token == "=":
        return _character_hint(text, at)
    if token.type in ("RULE", "TERMINAL") and text[at - 1 : at].isalnum():
        return "names are all lower case (rules) or all upper case (terminals)"
    return None


def _character_hint(text: str, at: int) -> str | None:
    if text[at] == "'":
        return 'strings stand in double quotes: "..."'
    if text[at] == '"':
        return "this string is not closed on its line"
    if text[at] == "/":
        return r"this regex is not closed; write \/ for a slash in it"
    if text[at] == "%":
        return "directives: %ignore, %import, %override, %extend; in a rule %json"
    if text[at] in ";=":
        return "Lark writes name: ... and ends a rule with its line"
    return None
