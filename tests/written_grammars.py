"""Random small grammars as trees, and the ways in which people write them: GBNF with its freedoms, Lark, nodes.

What a tree means is said by `nodes`, in a line for each of its parts; what a front end reads from its text must have
the same texts. A grammar is decided by its seed.
"""

from __future__ import annotations

import random
from typing import TypeAlias

from naive import Language

from grammars.ir import ANY_CHAR, CharClass, Choice, Grammar, Node, Ref, Repeat, Sequence, char_class, text

__all__ = ["LETTERS", "as_gbnf", "as_lark", "members", "nodes", "random_rules"]

LETTERS = "ab"
Tree: TypeAlias = tuple  # type: ignore[type-arg]  # ("text", str) | ("set", str, bool) | ("any",) | ("all", *trees) | ...
Rules: TypeAlias = dict[str, Tree]


def random_rules(seed: int) -> Rules:
    """Up to four rules, of which `root` is the first: left and right recursion, cycles and empty texts as they come."""
    rng = random.Random(seed)
    names = ["root", "r1", "r2", "r3"][: rng.randint(1, 4)]
    rules = {name: _tree(rng, names, 3) for name in names}
    ends = ("text", rng.choice(LETTERS))  # most rules have a text
    return {name: tree if rng.random() < 0.3 else ("one", tree, ends) for name, tree in rules.items()}


def _tree(rng: random.Random, names: list[str], depth: int) -> Tree:
    kind = rng.choice(
        ("text", "set", "ref") if depth == 0 else ("text", "set", "any", "all", "all", "one", "times", "ref")
    )
    match kind:
        case "text":
            return "text", "".join(rng.choices(LETTERS, k=rng.choice((0, 1, 1, 2))))
        case "set":
            return "set", rng.choice(("a", "b", "ab")), rng.random() < 0.3
        case "any":
            return ("any",)
        case "ref":
            return "ref", rng.choice(names)
        case "times":
            low = rng.randint(0, 2)
            high = rng.choice((None, low, low + 1))
            return "times", _tree(rng, names, depth - 1), low, high
    return kind, *(_tree(rng, names, depth - 1) for _ in range(rng.randint(2, 3)))


def nodes(rules: Rules) -> Grammar:
    """What the rules mean."""
    return Grammar({name: _node(tree) for name, tree in rules.items()}, "root")


def _node(tree: Tree) -> Node:
    match tree:
        case ("text", str(said)):
            return text(said)
        case ("set", str(listed), bool(negated)):
            return char_class([(ord(char), ord(char)) for char in listed], negate=negated)
        case ("any",):
            return ANY_CHAR
        case ("ref", str(name)):
            return Ref(name)
        case ("times", item, low, high):
            return Repeat(_node(item), low, high)
        case ("all", *items):
            return Sequence(tuple(map(_node, items)))
        case ("one", *items):
            return Choice(tuple(map(_node, items)))
    raise AssertionError(tree)


def members(grammar: Grammar, longest: int) -> set[bytes]:
    """Its texts of at most so many of the letters."""

    def cut(node: Node) -> Node:
        match node:
            case CharClass(ranges):
                return Choice(tuple(text(char) for char in LETTERS if any(a <= ord(char) <= b for a, b in ranges)))
            case Sequence(items) | Choice(items):
                return type(node)(tuple(map(cut, items)))
            case Repeat(item, low, high):
                return Repeat(cut(item), low, high)
        return node

    small = Grammar({name: cut(node) for name, node in grammar.rules.items()}, grammar.start)
    return Language(small).members(LETTERS.encode(), longest)


def as_gbnf(rules: Rules, seed: int) -> str:
    """The rules in GBNF, with some of the freedoms of the notation: escapes, spaces, comments, line breaks, groups."""
    rng = random.Random(seed)

    def gap() -> str:
        return rng.choice((" ", " ", "  ", "\t", "\n  ", " # a ::= b\n  "))

    def char(letter: str) -> str:
        return rng.choice((letter, letter, f"\\x{ord(letter):02x}", f"\\u{ord(letter):04X}", f"\\U{ord(letter):08x}"))

    def item(tree: Tree) -> str:
        """Something that a quantifier can follow."""
        match tree:
            case ("text", str(said)):
                return f'"{said[:-1]}{char(said[-1:])}"' if said else '""'
            case ("set", "ab", negated):
                return f"[{'^' * negated}{rng.choice(('a-b', 'ab', 'ba', 'a-ab'))}]"
            case ("set", str(listed), negated):
                return f"[{'^' * negated}{char(listed)}]"
            case ("any",):
                return rng.choice((".", "[^]"))
            case ("ref", str(name)):
                return name
        return f"({rng.choice(('', gap()))}{body(tree)}{rng.choice(('', gap()))})"

    def quantifier(low: int, high: int | None) -> str:
        known = {(0, None): "*", (1, None): "+", (0, 1): "?"}
        if (low, high) in known and rng.random() < 0.7:
            return known[low, high]
        if high is None:
            return rng.choice((f"{{{low},}}", f"{{{low}, -1}}"))
        return f"{{{low}}}" if low == high else f"{{ {low} , {high} }}"

    def body(tree: Tree) -> str:
        match tree:
            case ("times", repeated, low, high):
                return f"{item(repeated)}{rng.choice(('', ' '))}{quantifier(low, high)}"
            case ("all", *items):
                return gap().join(body(part) if part[0] == "times" else item(part) for part in items)
            case ("one", *items):
                # An empty alternative may be left out, but not before the next rule.
                first = "" if items[0] == ("text", "") and rng.random() < 0.5 else body(items[0])
                return f"{gap()}|{gap()}".join([first, *map(body, items[1:])])
        return item(tree)

    return "\n".join(f"{name} ::={gap()}{body(tree)}{rng.choice(('', ' # end'))}" for name, tree in rules.items())


def as_lark(rules: Rules) -> str:
    """The rules in Lark."""

    def item(tree: Tree) -> str:
        match tree:
            case ("text", ""):
                return "()"
            case ("text", str(said)):
                return f'"{said}"'
            case ("set", str(listed), negated):
                return f"/[{'^' * negated}{listed}]/"
            case ("any",):
                return "/./s"
            case ("ref", str(name)):
                return name.replace("root", "start")
            case ("times", repeated, low, high):
                return (
                    f"({item(repeated)})~{low}..{high}"
                    if high is not None
                    else f"(({item(repeated)})~{low} ({item(repeated)})*)"
                )
            case ("all", *items):
                return f"({' '.join(map(item, items))})"
            case ("one", *items):
                return f"({' | '.join(map(item, items))})"
        raise AssertionError(tree)

    return "\n".join(f"{name.replace('root', 'start')}: {item(tree)}" for name, tree in rules.items())
