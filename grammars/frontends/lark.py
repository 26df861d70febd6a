"""parse_lark: the text of a Lark grammar to a Grammar.

Place in the walk: Lark text -> syntax tree (`lark_syntax.py`) -> definitions (`lark_modules.py`) -> **Grammar**;
terminals in `lark_terminals.py`.

The language is that of lark's `Lark(text, parser="earley", lexer="dynamic_complete")`, read declaratively: a terminal
stands for every text that its pattern matches as a whole, wherever the rules allow it, and ignored terminals may stand
before each terminal and at the end. There is no lexer, so nothing can collide. Two things follow. Priorities, aliases
and the prefixes `?`, `!` and `_` choose among trees or shape them and mean nothing here. And lark, which asks Python's
`re` for one match, misses some of these texts: /a|ab/ never matches ab there, ignored text is only taken in full. Lazy
quantifiers keep their meaning (`lark_terminals.py`). Regexes are read as they stand: \\x2e is a full stop, where lark
resolves the escape first and finds a regex's dot.

Beyond lark, as in llguidance: `<|name|>` is a special token and `%json {...}` the texts of a JSON Schema, both in rules
and with ignored text before them; terminals have `&` and `~`; `name[lazy]: ...` and `name[suffix="..."]: ...` stop as
soon as they can, `name[max_tokens=50]: ...` within that many tokens. The text may begin with `%llguidance {}`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path

from grammars.errors import GrammarError, InvalidGrammar, LimitExceeded
from grammars.frontends.embed import embed
from grammars.frontends.lark_modules import IGNORE, read_definitions, unsupported
from grammars.frontends.lark_syntax import Tree, span_of
from grammars.frontends.lark_terminals import (
    Definition,
    capture_of,
    check_options,
    counts,
    subtrees,
    terminal_node,
    token_limit_of,
    tokens,
    unsuffixed,
)
from grammars.frontends.regex_syntax import MAX_DEPTH
from grammars.frontends.token_numbers import HINT, token_numbers
from grammars.ir import AtMostTokens, Choice, Grammar, Node, Ref, Repeat, Sequence, SpecialToken

__all__ = ["parse_lark"]

# No rule or terminal of Lark can have this name.
_START = "%start"
MAX_INSTANCES = 10_000
"""How many uses of templates with different arguments one grammar may have."""


def parse_lark(
    text: str, *, start: str = "start", import_root: Path | None = None, given: Mapping[str, Grammar] | None = None
) -> Grammar:
    """The grammar of a Lark text; `%import` reads files under the folder `import_root`, without it none.

    `given` are more rules, which are as terminals are: ignored text may stand before them, and not in them.

    Raises `InvalidGrammar` for errors of syntax, undefined names and a missing start, `UnsupportedFeature` for what
    cannot be enforced, `LimitExceeded` for what is too large or does not end, with the place.

    >>> parse_lark('start: "(" start ")" | /[a-z]+/').rules["start"].items[1]
    Ref(name='start')
    """
    for name in given or {}:
        if not re.fullmatch("_?[a-z][_a-z0-9]*", name):
            raise InvalidGrammar(f"{name!r} is no name of a rule", hint="rules of Lark have names in lower case")
    module = read_definitions(text, import_root=import_root, given=given or ())
    if start not in module.names:
        near = difflib.get_close_matches(start, module.names, n=1)
        names = ", ".join([name for name in module.names if name.islower()][:10])
        raise InvalidGrammar(
            f"the grammar has no rule {start}",
            hint=f"did you mean {near[0]}?" if near else f"its rules are: {names}" if names else "write start: ...",
        )
    rules = _Rules(given or {}, ignores=bool(module.ignored))
    first = rules.reference(module.names[start])
    rules.write()
    if not module.ignored:
        return Grammar(rules.nodes, first.name, text)
    rules.nodes[IGNORE] = Repeat(Choice(tuple(map(terminal_node, module.ignored))))
    rules.nodes[_START] = Sequence((first, Ref(IGNORE)))
    return Grammar(rules.nodes, _START, text)


class _Rules:
    """Writes the rules that the start needs as nodes: one for each definition, and for each use of a template."""

    def __init__(self, given: Mapping[str, Grammar], *, ignores: bool) -> None:
        self.given, self.ignores = given, ignores
        self.nodes: dict[str, Node] = {}
        self.known: dict[tuple[int, tuple[Node, ...]], Ref] = {}
        self.taken: dict[str, int] = {}  # how many rules have the name
        self.pending: list[tuple[str, Definition, dict[str, Node]]] = []
        self.instances = 0

    def reference(self, definition: Definition, arguments: tuple[Node, ...] = ()) -> Ref:
        """The reference to a definition, whose rule is written later."""
        key = id(definition), arguments
        if key not in self.known:
            number = self.taken[definition.name] = self.taken.get(definition.name, 0) + 1
            name = definition.name if number == 1 else f"{definition.name}%{number}"
            self.known[key] = Ref(name)
            self.pending.append((name, definition, dict(zip(definition.params, arguments, strict=True))))
        return self.known[key]

    def write(self) -> None:
        while self.pending:
            name, definition, arguments = self.pending.pop()
            check_options(definition)
            if definition.body.data == "declare":
                raise unsupported("%declare", definition.text, definition.body)
            if definition.body.data == "given":
                self.nodes[name] = self.spaced(embed(self.given[definition.name], self.nodes, f"%{name}"))
                continue
            capture, limit = capture_of(definition), token_limit_of(definition)
            captured = f"{name}[capture={capture}]"
            if definition.name.isupper() or len(definition.options) > (capture is not None):
                if capture is None and limit is None:
                    self.nodes[name] = self.spaced(terminal_node(definition))
                    continue
                node, suffix = unsuffixed(definition)
                node = node if limit is None else AtMostTokens(node, limit)
                if capture is not None:
                    self.nodes[captured], node = node, Ref(captured)
                self.nodes[name] = self.spaced(Sequence((node, suffix)))
                continue
            parts = [self.node(part.body, part, arguments) for part in (definition, *definition.others)]
            self.nodes[name] = parts[0] if len(parts) == 1 else Choice(tuple(parts))
            if capture is not None:
                self.nodes[captured], self.nodes[name] = self.nodes[name], Ref(captured)

    def spaced(self, terminal: Node) -> Node:
        """A terminal with what may be ignored before it."""
        return Sequence((Ref(IGNORE), terminal)) if self.ignores else terminal

    def node(self, tree: Tree, definition: Definition, arguments: dict[str, Node], depth: int = 0) -> Node:
        depth += tree.data == "expansions"
        if depth > MAX_DEPTH:
            raise LimitExceeded(f"more than {MAX_DEPTH} nested groups", span=span_of(definition.text, tree))
        match tree.data:
            case "terminal" | "nonterminal":
                name = str(tree.children[0])
                return arguments[name] if name in arguments else self.reference(definition.scope[name])
            case "special" | "json":
                return self.spaced(self.symbol(tree, definition))
            case "complement" | "intersection":
                hint = "say it in a terminal: NAME: /[a-z]+/ & ~/if|else/"
                raise unsupported("& or ~ outside of a terminal", definition.text, tree, hint)
        items = [self.node(child, definition, arguments, depth) for child in subtrees(tree)]
        match tree.data:
            case "expansions":
                return items[0] if len(items) == 1 else Choice(tuple(items))
            case "expansion":
                return items[0] if len(items) == 1 else Sequence(tuple(items))
            case "alias":
                return items[0]
            case "operator" | "counted" | "braced":
                return Repeat(items[0], *counts(tree, definition))
            case "maybe":
                return Repeat(items[0], 0, 1)
            case "template":
                return self.instance(tree, definition, tuple(items))
            case _:
                return self.spaced(terminal_node(Definition("", tree, definition.text, definition.scope)))

    def instance(self, tree: Tree, definition: Definition, arguments: tuple[Node, ...]) -> Node:
        """The use of a template with arguments that are nodes."""
        self.instances += 1
        if self.instances > MAX_INSTANCES:
            raise LimitExceeded(
                f"more than {MAX_INSTANCES:,} uses of templates",
                span=span_of(definition.text, tree),
                hint="a template that uses itself with ever larger arguments has no end",
            )
        name = str(tree.children[0])
        if name in definition.params:
            raise unsupported("a parameter that is used as a template", definition.text, tree)
        return self.reference(definition.scope[name], arguments)

    def symbol(self, tree: Tree, definition: Definition) -> Node:
        """A special token, or the texts of a JSON Schema."""
        (token,) = tokens(tree)
        span = span_of(definition.text, token)
        if tree.data == "special":
            if not token.startswith("<["):
                return SpecialToken(str(token))
            if (numbered := token_numbers(str(token))) is None:
                raise unsupported("this set of tokens", definition.text, token, HINT)
            return numbered
        from grammars.frontends.json_schema import parse_json_schema

        try:
            grammar = parse_json_schema(str(token))
        except GrammarError as error:
            error.message = f"in the %json of line {span.line}: {error.message}"
            raise
        return embed(grammar, self.nodes, f"%json {len(self.nodes)}")
