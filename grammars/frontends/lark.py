"""parse_lark: the text of a Lark grammar to a Grammar.

Place in the walk: Lark text -> syntax tree (`lark_syntax.py`) -> **Grammar**; terminals in `lark_terminals.py`.

The language is that of lark's `Lark(text, parser="earley", lexer="dynamic_complete")`, read declaratively: a terminal
stands for every text that its pattern matches as a whole, wherever the rules allow it, and ignored terminals may stand
before each terminal and at the end. There is no lexer, so nothing can collide. Two things follow. Priorities, aliases
and the prefixes `?`, `!` and `_` choose among trees or shape them and mean nothing here. And lark, which asks Python's
`re` for one match, misses some of these texts: /a|ab/ never matches ab there, ignored text is only taken in full. Lazy
quantifiers keep their meaning (`lark_terminals.py`). Regexes are read as they stand: \\x2e is a full stop, where lark
resolves the escape first and finds a regex's dot.

`%import common.X` reads lark's own library. Templates, other imports, `%declare`, `%override`, `%extend` are refused.
"""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Mapping
from functools import lru_cache

import lark

from grammars.errors import InvalidGrammar, LimitExceeded, UnsupportedFeature
from grammars.frontends.lark_syntax import Tree, read_lark, span_of
from grammars.frontends.lark_terminals import Definition, counts, terminal_node
from grammars.frontends.regex_syntax import MAX_DEPTH
from grammars.ir import Choice, Grammar, Node, Ref, Repeat, Sequence

__all__ = ["parse_lark"]

# No rule or terminal of Lark can have these names.
_START, _IGNORE = "%start", "%ignore"

# lark's definition, /".*?(?<!\\)(\\\\)*?"/, says by backtracking what this one says outright.
_WITHOUT_LOOKBEHIND = r'ESCAPED_STRING: /"(?:[^"\\\n]|\\.)*"/'


def parse_lark(text: str, *, start: str = "start") -> Grammar:
    """The grammar of a Lark text.

    Raises `InvalidGrammar` for errors of syntax, undefined names and a missing start, `UnsupportedFeature` for what is
    named above and for anchors and lookarounds in terminals, both with the place.

    >>> parse_lark('start: "(" start ")" | /[a-z]+/').rules["start"].items[1]
    Ref(name='start')
    """
    definitions, ignored = _define(text)
    if start not in definitions:
        near = difflib.get_close_matches(start, definitions, n=1)
        names = ", ".join([name for name in definitions if name.islower()][:10])
        raise InvalidGrammar(
            f"the grammar has no rule {start}",
            hint=f"did you mean {near[0]}?" if near else f"its rules are: {names}" if names else "write start: ...",
        )
    rules = _Rules(ignores=bool(ignored))
    rules.add(start, definitions)
    if not ignored:
        return Grammar(rules.nodes, start, text)
    rules.nodes[_IGNORE] = Repeat(Choice(tuple(map(terminal_node, ignored))))
    rules.nodes[_START] = Sequence((Ref(start), Ref(_IGNORE)))
    return Grammar(rules.nodes, _START, text)


def _define(text: str) -> tuple[dict[str, Definition], list[Definition]]:
    """All rules and terminals by name, and what is ignored."""
    definitions: dict[str, Definition] = {}
    ignored: list[Definition] = []
    for statement in read_lark(text).children:
        assert isinstance(statement, lark.Tree)
        match statement.data:
            case "rule" | "term":
                added = [_definition(statement, text, definitions)]
            case "import":
                added = _imported(statement, text)
            case "ignore":
                body = _subtrees(statement)[0]
                ignored.append(Definition(_IGNORE, body, text, definitions))
                continue
            case _:
                raise _unsupported(f"%{statement.data}", text, statement)
        for definition in added:
            if definition.name in definitions:
                raise InvalidGrammar(f"{definition.name} is defined twice", span=span_of(text, statement))
            definitions[definition.name] = definition
    for definition in [*definitions.values(), *ignored]:
        if definition.scope is definitions:
            _check_names(definition)
    return definitions, ignored


def _definition(statement: Tree, text: str, scope: Mapping[str, Definition]) -> Definition:
    name = next(token for token in _tokens(statement) if token.type in ("RULE", "TERMINAL"))
    if any(tree.data == "params" for tree in _subtrees(statement)):
        raise _unsupported("a template", text, name)
    return Definition(str(name), _subtrees(statement)[-1], text, scope)


def _imported(statement: Tree, text: str) -> list[Definition]:
    """What `%import common.A`, `%import common.A -> B` or `%import common (A, B)` defines."""
    path, *what = _subtrees(statement)
    names, listed = _tokens(path), _tokens(what[0]) if what else []
    wanted = listed if what and what[0].data == "names" else names[-1:]
    if _subtrees(path) or names != (["common"] if wanted is listed else ["common", *wanted]):
        hint = "write %import common.NAME, or copy the definitions here"
        raise _unsupported("an import from anything but lark's common", text, path, hint)
    library = _common()
    for name in wanted:
        if name not in library:
            near = difflib.get_close_matches(name, library, n=1)
            raise InvalidGrammar(
                f"lark's common defines no {name}",
                span=span_of(text, name),
                hint=f"did you mean {near[0]}?" if near else None,
            )
    new_names = listed or wanted
    if any(name.islower() for name in new_names):
        raise InvalidGrammar("a terminal needs a name in upper case", span=span_of(text, new_names[0]))
    return [
        Definition(str(new), library[name].body, library[name].text, library)
        for new, name in zip(new_names, wanted, strict=True)
    ]


@lru_cache(maxsize=1)
def _common() -> Mapping[str, Definition]:
    """The terminals of lark's common library."""
    data = pkgutil.get_data("lark", "grammars/common.lark")
    assert data is not None
    definitions, _ = _define(data.decode())
    definitions |= _define(_WITHOUT_LOOKBEHIND)[0]
    return definitions


def _check_names(definition: Definition) -> None:
    """Raises `InvalidGrammar` for the first name in a definition that nothing defines."""
    pending = [definition.body]
    while pending:
        tree = pending.pop()
        pending += reversed(_subtrees(tree))
        if tree.data not in ("terminal", "nonterminal") or tree.children[0] in definition.scope:
            continue
        name = str(tree.children[0])
        near = difflib.get_close_matches(name, definition.scope, n=1)
        library = _common() if tree.data == "terminal" else {}
        raise InvalidGrammar(
            f"the {'terminal' if tree.data == 'terminal' else 'rule'} {name} is not defined",
            span=span_of(definition.text, tree),
            hint=f"did you mean {near[0]}?" if near else f"%import common.{name} gets it" if name in library else None,
        )


class _Rules:
    """Writes the rules that the start needs as nodes."""

    def __init__(self, *, ignores: bool) -> None:
        self.ignores = ignores
        self.nodes: dict[str, Node] = {}
        self.pending: list[str] = []

    def add(self, start: str, definitions: Mapping[str, Definition]) -> None:
        self.pending.append(start)
        while self.pending:
            name = self.pending.pop()
            if name in self.nodes:
                continue
            definition = definitions[name]
            if name.isupper():
                self.nodes[name] = self.spaced(terminal_node(definition))
            else:
                self.nodes[name] = self.node(definition.body, definition)

    def spaced(self, terminal: Node) -> Node:
        """A terminal with what may be ignored before it."""
        return Sequence((Ref(_IGNORE), terminal)) if self.ignores else terminal

    def node(self, tree: Tree, definition: Definition, depth: int = 0) -> Node:
        depth += tree.data == "expansions"
        if depth > MAX_DEPTH:
            raise LimitExceeded(f"more than {MAX_DEPTH} nested groups", span=span_of(definition.text, tree))
        if tree.data == "template":
            raise _unsupported("a template", definition.text, tree)
        items = [self.node(child, definition, depth) for child in _subtrees(tree)]
        match tree.data:
            case "expansions":
                return items[0] if len(items) == 1 else Choice(tuple(items))
            case "expansion":
                return items[0] if len(items) == 1 else Sequence(tuple(items))
            case "alias":
                return items[0]
            case "operator" | "counted":
                return Repeat(items[0], *counts(tree, definition))
            case "maybe":
                return Repeat(items[0], 0, 1)
            case "terminal" | "nonterminal":
                name = str(tree.children[0])
                self.pending.append(name)
                return Ref(name)
            case _:
                return self.spaced(terminal_node(Definition("", tree, definition.text, definition.scope)))


def _subtrees(tree: Tree) -> list[Tree]:
    return [child for child in tree.children if isinstance(child, lark.Tree)]


def _tokens(tree: Tree) -> list[lark.Token]:
    return [child for child in tree.children if isinstance(child, lark.Token)]


def _unsupported(what: str, text: str, part: Tree | lark.Token, hint: str | None = None) -> UnsupportedFeature:
    return UnsupportedFeature(f"{what} is not supported in a Lark grammar", span=span_of(text, part), hint=hint)
