"""Lint: what is right in a grammar and was hardly meant, and how large the grammar is.

Place in the walk: a Grammar that compiles, and the text that it was read from -> **Findings**, for `gcd check`. Names
and their places come from this text, facts about languages from the survey. Nothing here changes what is accepted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import lark

from grammars.ambiguity import ambiguity
from grammars.captures import captured_as
from grammars.collisions import STATES, collisions, terminals_of
from grammars.errors import InvalidGrammar, LimitExceeded, Span
from grammars.frontends.gbnf import heads, is_gbnf
from grammars.frontends.lark_syntax import Tree, read_lark, span_of
from grammars.ir import Grammar, Node, Ref, Repeat
from grammars.lexers import lexer_differences
from grammars.limits import Limits
from grammars.positions import NULL
from grammars.record import record
from grammars.survey import Survey

__all__ = ["Finding", "lint", "statistics", "search"]

_LISTED = 5


@record
class Finding:
    """One thing about a grammar: its kind, a sentence, and where it stands in the text."""

    kind: str
    message: str
    span: Span | None = None

    def __str__(self) -> str:
        place = "" if self.span is None else f" (line {self.span.line}, column {self.span.column})"
        return f"{self.message}{place}"


def lint(grammar: Grammar) -> list[Finding]:
    """Names that are never used, rules without a text, repeats of what may be empty; in the order of the text.

    >>> [str(finding) for finding in lint(parse_lark('start: "a"\\nother: "b"'))]
    ['the rule other is never used (line 2, column 1)']
    """
    places = _places(grammar)
    found = [*_unused(grammar, places), *_unproductive(grammar, places), *_nullable(grammar, places)]
    return sorted(found, key=lambda finding: finding.span.start if finding.span else -1)


def search(grammar: Grammar, *, seconds: float = 0.5, states: int = STATES) -> list[Finding]:
    """Where a lexer would have to decide between terminals, what lark's lexers lose, and a text with two readings.

    `seconds` is for each of the last two, `states` for the first, which says so where they do not suffice.
    """
    found: list[Finding] = []
    try:
        by_terminal: dict[str, list[str]] = defaultdict(list)
        for pair in collisions(grammar, limit=states):
            one, other = sorted((pair.first, pair.second), key=lambda name: name.startswith('"'))
            both = other if other == f'"{pair.text}"' else f'{other} (as in "{pair.text}")'
            by_terminal[one].append(both)
        for name, others in by_terminal.items():
            more = f" and {len(others) - _LISTED} more" if len(others) > _LISTED else ""
            found.append(
                Finding("collision", f"{name} also matches what these match: {', '.join(others[:_LISTED])}{more}")
            )
    except LimitExceeded as error:
        found.append(Finding("collision", f"not known: {error.message}"))
    for lost in lexer_differences(grammar, seconds=seconds):
        found.append(
            Finding("lexer", f"lark with its {lost.lexer} lexer refuses {lost.text!r}, which is in the language")
        )
    witness = ambiguity(grammar, seconds=seconds)
    if witness is not None:
        readings = f"{witness.first}, or {witness.second}"
        found.append(Finding("ambiguity", f'the rule {witness.rule} reads "{witness.text}" in two ways: {readings}'))
    return found


def statistics(grammar: Grammar) -> dict[str, int]:
    """How many rules, terminals and other literals the start needs, and how many nodes they have."""
    terminals = terminals_of(grammar)
    named = [name for name in grammar.rules if _is_terminal(name, grammar)]
    return {
        "rules": len([name for name in grammar.rules if not name.startswith("%") and not captured_as(name)])
        - len(named),
        "terminals": len(named),
        "literals": len([name for name in terminals if name.startswith('"')]),
        "nodes": sum(1 for node in grammar.rules.values() for _ in _parts(node)),
    }


def _places(grammar: Grammar) -> dict[str, tuple[Span, set[str]]]:
    """Each name that a text in Lark or GBNF defines or imports: where, and the names in its definition; else {}."""
    source = grammar.source
    if source is None:
        return {}
    if not is_gbnf(source):
        return _places_in_lark(source)
    used: dict[str, set[str]] = defaultdict(set)
    for rule, node in grammar.rules.items():  # name[capture=x] is in name
        names = {part.name.partition("[")[0] for part in _parts(node) if isinstance(part, Ref)}
        used[rule.partition("[")[0]] |= names - {rule.partition("[")[0]}
    return {name: (Span(source, at, at + len(name)), used[name]) for at, name in heads(source).items()}


def _places_in_lark(source: str) -> dict[str, tuple[Span, set[str]]]:
    try:
        statements = read_lark(source).children
    except InvalidGrammar:  # a text in another notation
        return {}
    found: dict[str, tuple[Span, set[str]]] = {}
    for statement in statements:
        if isinstance(statement, lark.Tree) and statement.data in ("rule", "term", "import", "ignore"):
            names = [token for token in statement.children if isinstance(token, lark.Token)]
            defined = [token for token in names if token.type in ("RULE", "TERMINAL")]
            if statement.data == "import":
                defined = _imported(statement)
            if statement.data == "ignore":
                found.setdefault("%ignore", (span_of(source, statement), set()))[1].update(_names(statement))
            for token in defined:
                used = set() if statement.data == "import" else _names(statement) - {str(token)}
                found[str(token)] = span_of(source, token), used
    return found


def _imported(statement: Tree) -> list[lark.Token]:
    """The names by which an import is known here."""
    path, *what = [child for child in statement.children if isinstance(child, lark.Tree)]
    tokens = [child for child in (what[-1] if what else path).children if isinstance(child, lark.Token)]
    return tokens if what else tokens[-1:]


def _names(statement: Tree) -> set[str]:
    """The names that a statement refers to."""
    return {
        str(token)
        for tree in statement.iter_subtrees()
        if tree.data in ("terminal", "nonterminal", "template")
        for token in tree.children
        if isinstance(token, lark.Token)
    }


def _unused(grammar: Grammar, places: dict[str, tuple[Span, set[str]]]) -> Iterator[Finding]:
    start = "start" if grammar.start.startswith("%") else grammar.start
    reached, pending = set[str](), [start, "%ignore"]
    while pending:
        name = pending.pop()
        if name not in reached and name in places:
            reached.add(name)
            pending += places[name][1]
    used = set[str]().union(*(names for _, names in places.values()))
    for name, (span, _) in places.items():
        if name in reached:
            continue
        what = "terminal" if _is_terminal(name, grammar) else "rule"
        if name in used:
            yield Finding("unreachable", f"the {what} {name} is used only where nothing leads to", span)
        else:
            yield Finding("unused", f"the {what} {name} is never used", span)


def _unproductive(grammar: Grammar, places: dict[str, tuple[Span, set[str]]]) -> Iterator[Finding]:
    survey = Survey(grammar, Limits())
    for name, facts in survey.facts.items():
        if not facts and not name.startswith("%"):
            span = places[name][0] if name in places else None
            yield Finding(
                "unproductive", f"the rule {name} has no text: it never ends, so nothing with it is allowed", span
            )


def _nullable(grammar: Grammar, places: dict[str, tuple[Span, set[str]]]) -> Iterator[Finding]:
    survey = Survey(grammar, Limits())
    for name in survey.summaries:
        if name.startswith("%") or _is_terminal(name.partition("[")[0], grammar):  # NAME[capture=x] is in NAME
            continue
        for node in _parts(grammar.rules[name]):
            if isinstance(node, Repeat) and (node.max is None or node.max > 1) and survey.facts_of(node.item) & NULL:
                span = places[name][0] if name in places else None
                yield Finding("nullable repeat", f"in the rule {name}, what is repeated may be empty", span)
                break


def _is_terminal(name: str, grammar: Grammar) -> bool:
    """Whether a name is that of a terminal of Lark; GBNF has rules only."""
    return name.isupper() and not is_gbnf(grammar.source or "")


def _parts(node: Node) -> Iterator[Node]:
    """The node and all nodes inside of it."""
    pending: list[Node] = [node]
    while pending:
        at = pending.pop()
        yield at
        pending += reversed([item for item in getattr(at, "items", ()) if not isinstance(item, bytes)])
        if (item := getattr(at, "item", None)) is not None:
            pending.append(item)
