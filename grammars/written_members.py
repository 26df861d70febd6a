"""Members written as rules: the slow twin of `grammars.members`, for small objects.

Place in the walk: Grammar -> **Grammar** without `Members`, one right-linear rule from each member to the next; with a
register one for each register. Automata whose bytes are taken away are built from it, and tests compare both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from grammars.errors import LimitExceeded
from grammars.ir import Bytes, Choice, Distinct, Grammar, Members, Node, Numerals, Ref, Repeat, Sequence
from grammars.members import has_register

__all__ = ["written_as_rules"]

_REGISTERS = 4096
"""The most registers of one object that are a rule each."""


def written_as_rules(grammar: Grammar) -> Grammar:
    """The same language without `Members`: one right-linear rule from each member to the next. The slow twin.

    >>> one = Members(Bytes(b"{"), (b"a",), (Bytes(b"1"),), frozenset(), (), Bytes(b","), Bytes(b"}"))
    >>> written_as_rules(Grammar({"start": one})).rules["start"]
    Sequence(items=(Bytes(data=b'{'), Ref(name='start~1~0')))
    """
    rules: dict[str, Node] = {}
    for name, node in grammar.rules.items():
        rules[name] = _Writer(name, rules, grammar.rules).node(node)
    return replace(grammar, rules=rules)


class _Writer:
    """Writes the rules of the members in one rule."""

    def __init__(self, name: str, rules: dict[str, Node], taken: Iterable[str]) -> None:
        self.name, self.rules, self.taken, self.count = name, rules, taken, 0

    def node(self, node: Node) -> Node:
        match node:
            case Numerals():
                return node
            case Sequence(items) | Choice(items):
                return type(node)(tuple([self.node(item) for item in items]))
            case Repeat(item, low, high):
                return Repeat(self.node(item), low, high)
            case Distinct(item, needs):
                return Distinct(self.node(item), needs)
            case Members():
                return self.members(node)
            case _:
                return node

    def members(self, node: Members) -> Node:
        self.count += 1
        prefix = f"{self.name}~{self.count}~"
        while any(name.startswith(prefix) for name in self.taken):
            prefix += "~"
        if has_register(node):
            return self.registers(node, prefix)
        separator, end = self.node(node.separator), self.node(node.end)
        rest = Choice(tuple([Sequence((key, self.node(value))) for key, value in node.rest]))
        more = Repeat(Sequence((separator, rest)))
        last = len(node.keys)
        self.rules[f"{prefix}{last}"] = Sequence((rest, more, end))
        self.rules[f"{prefix}{last}+"] = Sequence((more, end))
        for i in range(last):
            entry = (Bytes(node.keys[i]), self.node(node.values[i]), Ref(f"{prefix}{i + 1}+"))
            for begun in ("", "+"):
                taken: Node = Sequence((separator, *entry) if begun else entry)
                left_out = Ref(f"{prefix}{i + 1}{begun}")
                self.rules[f"{prefix}{i}{begun}"] = taken if i in node.required else Choice((taken, left_out))
        first = Ref(f"{prefix}0")
        following = first if node.empty is None or node.required else Choice((first, node.empty))
        return Sequence((node.begin, following))

    def registers(self, node: Members, prefix: str) -> Node:
        """The rules of members with a register: one for each, met from the first on."""
        entries = [Sequence((Bytes(key), self.node(value))) for key, value in zip(node.keys, node.values, strict=True)]
        rest = Choice(tuple([Sequence((key, self.node(value))) for key, value in node.rest]))
        separator, end = self.node(node.separator), self.node(node.end)
        most = node.low if node.high is None else node.high
        start = (frozenset[int](), 0, False)
        pending, made = [start], {start}
        while pending:
            state = decided, written, begun = pending.pop()
            ways: list[Node] = []
            if begun and node.required <= decided and written >= node.low:
                ways.append(end)
            for member in range(len(entries) + 1) if node.high is None or written < node.high else ():
                first = min(node.required - decided, default=len(entries))
                if member in decided or (not node.any_order and member > first):
                    continue
                gone = {member} if node.any_order else set(range(member + 1))
                following = (decided | gone & {*range(len(entries))}, min(written + 1, most), True)
                entry = rest if member == len(entries) else entries[member]
                ways.append(Sequence((*([separator] if begun else ()), entry, Ref(_state_name(prefix, following)))))
                if following not in made:
                    if len(made) >= _REGISTERS:
                        raise LimitExceeded(f"an object in any order, or counted, needs more than {_REGISTERS} rules")
                    made.add(following)
                    pending.append(following)
            self.rules[_state_name(prefix, state)] = Choice(tuple(ways))
        first_rule = Ref(_state_name(prefix, start))
        is_empty = node.empty is not None and not node.required and not node.low
        return Sequence((node.begin, Choice((first_rule, node.empty)) if is_empty and node.empty else first_rule))


def _state_name(prefix: str, state: tuple[frozenset[int], int, bool]) -> str:
    decided, written, begun = state
    return f"{prefix}{','.join(map(str, sorted(decided)))};{written}{'+' if begun else ''}"
