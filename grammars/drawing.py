"""Drawings of grammars: railroads of rules as SVG, references and automata as Mermaid.

Place in the walk: on the raw Grammar, for people: `gcd draw`. A railroad is made of boxes from the inside out: each
part has a width, and heights above and below the line on which it is entered and left. Large choices are cut, and say
so; ignored text is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from grammars.chars import char_dfa
from grammars.dfa import Dfa
from grammars.errors import LimitExceeded
from grammars.ir import (
    Bytes,
    Choice,
    Distinct,
    Grammar,
    Members,
    Node,
    Numerals,
    Ref,
    Repeat,
    Sequence,
)
from grammars.limits import Limits
from grammars.reading import bracketed, label
from grammars.record import record
from grammars.survey import Survey

__all__ = ["automaton_mermaid", "edge_labels", "rule_dfa", "rules_mermaid", "rules_svg"]

_GAP, _HIGH, _LETTER, _ROW = 10, 24, 7.5, 8
_SHOWN, _LONG = 12, 40
_STATES = 200

_STYLE = (
    "text{font:13px monospace;text-anchor:middle;dominant-baseline:central}"
    ".name{font-weight:bold;text-anchor:start}"
    "path{fill:none;stroke:#555;stroke-width:1.5}rect{fill:#eef;stroke:#557}.call{fill:#efe;stroke:#575}"
)


@record
class _Part:
    """A piece of a railroad: entered at (0, 0), left at (width, 0)."""

    width: float
    up: float
    down: float
    shapes: tuple[str, ...]

    def at(self, x: float, y: float) -> str:
        return f'<g transform="translate({x:g},{y:g})">{"".join(self.shapes)}</g>'


def rules_svg(grammar: Grammar) -> str:
    """The railroads of all rules that the start needs, one below the other, as an SVG document."""
    shapes, y, width = [], float(_GAP), 0.0
    for name, node in _rules(grammar):
        part = _part(node)
        shapes.append(f'<text class="name" x="{_GAP}" y="{y + _GAP:g}">{escape(name)}</text>')
        y += 2 * _GAP + _ROW + part.up
        shapes.append(part.at(3 * _GAP, y))
        shapes.append(_line(_GAP, y, 3 * _GAP, y) + _line(3 * _GAP + part.width, y, 5 * _GAP + part.width, y))
        shapes += [_line(x, y - 5, x, y + 5) for x in (_GAP, 5 * _GAP + part.width)]
        y += part.down + 2 * _GAP
        width = max(width, 6 * _GAP + part.width, 2 * _GAP + _LETTER * 1.2 * len(name))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {y:g}" width="{width:g}" height="{y:g}">'
        f"<style>{_STYLE}</style>\n" + "\n".join(shapes) + "\n</svg>\n"
    )


def rules_mermaid(grammar: Grammar) -> str:
    """Which rules refer to which, as a Mermaid flowchart.

    >>> print(rules_mermaid(parse_lark('start: "a" NAME\\nNAME: /[a-z]+/')))
    flowchart LR
      r0(["start"]) --> r1["NAME"]
    """
    names = [name for name, _ in _rules(grammar)]
    shapes = {
        name: f"r{i}" + (f'["{_mermaid(name)}"]' if i else f'(["{_mermaid(name)}"])') for i, name in enumerate(names)
    }
    lines = []
    for name, node in _rules(grammar):
        for other in dict.fromkeys(ref for ref in _references(node) if ref in shapes):
            lines.append(f"  {shapes[name]} --> {shapes[other]}")
    return "\n".join(["flowchart LR", *(lines or [f"  {shape}" for shape in shapes.values()])]) + "\n"


def automaton_mermaid(grammar: Grammar, rule: str | None = None) -> str:
    """The minimal automaton over characters of a rule without recursion, as a Mermaid flowchart.

    Raises `UnsupportedFeature` for a rule that is recursive, `LimitExceeded` beyond 200 states.

    >>> print(automaton_mermaid(Grammar({"start": Repeat(Bytes(b"ab"), 0, 1)})))
    flowchart LR
      begin(( )) --> s0
      s0((("0")))
      s0 -- "a" --> s1
      s1(("1"))
      s1 -- "b" --> s2
      s2((("2")))
    """
    dfa = rule_dfa(grammar, rule)
    lines = ["flowchart LR", "  begin(( )) --> s0"]
    for state in range(len(dfa.edges)):
        lines.append(f'  s{state}((("{state}")))' if state in dfa.finals else f'  s{state}(("{state}"))')
        lines += [f'  s{state} -- "{_mermaid(words)}" --> s{to}' for to, words in edge_labels(dfa, state)]
    return "\n".join(lines) + "\n"


def rule_dfa(grammar: Grammar, rule: str | None) -> Dfa:
    """The automaton that is drawn of a rule, the start's if none is named."""
    from grammars.fragments import written_out

    name = rule or _start(grammar)
    dfa = char_dfa(written_out(grammar.rules[name], grammar.rules))
    if len(dfa.edges) > _STATES:
        raise LimitExceeded(f"the automaton of {name} has {len(dfa.edges):,} states; {_STATES} are drawn at most")
    return dfa


def edge_labels(dfa: Dfa, state: int) -> Iterator[tuple[int, str]]:
    """Where one comes from a state, each with the characters that lead there, in words."""
    targets: dict[int, list[tuple[int, int]]] = {}
    for low, high, to in dfa.edges[state]:
        targets.setdefault(to, []).append((low, high))
    for to, ranges in targets.items():
        one = ranges[0][0] if len(ranges) == 1 and ranges[0][0] == ranges[0][1] else None
        yield to, label(Bytes(chr(one).encode()), None).strip('"') if one is not None else bracketed(tuple(ranges))


def _start(grammar: Grammar) -> str:
    """The rule that the author calls the start."""
    return "start" if grammar.start.startswith("%") and "start" in grammar.rules else grammar.start


def _rules(grammar: Grammar) -> list[tuple[str, Node]]:
    """The rules that the start needs, itself first, without those that a front end made up."""
    survey, start = Survey(grammar, Limits()), _start(grammar)
    names = [start, *[name for name in survey.summaries if name != start and not name.startswith("%")]]
    return [(name, grammar.rules[name]) for name in names]


def _references(node: Node) -> Iterator[str]:
    if isinstance(node, Ref):
        yield node.name
    for part in _inside(node):
        yield from _references(part)


def _inside(node: Node) -> tuple[Node, ...]:
    """The nodes directly inside of a node."""
    if isinstance(node, Members):
        rest = [part for entry in node.rest for part in entry]
        return (node.begin, *node.values, *rest, node.separator, node.end)
    if isinstance(node, Sequence | Choice):
        return node.items
    return (node.item,) if isinstance(node, Repeat | Distinct) else ()


# -- railroads


def _part(node: Node) -> _Part:
    match node:
        case Ref(name):
            return _box(name, "call")
        case Bytes(data) if not data:
            return _straight()
        case Sequence(items):
            return _row([_part(item) for item in items if not _is_ignored(item)])
        case Choice(items) if not isinstance(node, Numerals):
            cut = [_box(f"{len(items) - _SHOWN} more", "call")] if len(items) > _SHOWN else []
            return _choice([*[_part(item) for item in items[:_SHOWN]], *cut])
        case Repeat(item, low, high):
            return _loop(_part(item), low, high)
        case Distinct(item):
            return _part(item)
        case Members():
            return _members(node)
    return _box(_label(node), "text")


def _is_ignored(node: Node) -> bool:
    return isinstance(node, Ref) and node.name.startswith("%")


def _label(node: Node) -> str:
    words = label(node, None)
    return words if len(words) <= _LONG else words[: _LONG - 1] + "…"


def _straight() -> _Part:
    return _Part(2 * _GAP, 0, 0, (_line(0, 0, 2 * _GAP, 0),))


def _box(words: str, kind: str) -> _Part:
    width = 2 * _GAP + _LETTER * len(words)
    radius = f' rx="{_HIGH / 2:g}"' if kind == "text" else ""
    rect = f'<rect class="{kind}" x="0" y="{-_HIGH / 2:g}" width="{width:g}" height="{_HIGH}"{radius}/>'
    return _Part(width, _HIGH / 2, _HIGH / 2, (rect, f'<text x="{width / 2:g}" y="0">{escape(words)}</text>'))


def _row(parts: list[_Part]) -> _Part:
    if not parts:
        return _straight()
    shapes, x = [], 0.0
    for number, part in enumerate(parts):
        if number:
            shapes.append(_line(x, 0, x + _GAP, 0))
            x += _GAP
        shapes.append(part.at(x, 0))
        x += part.width
    return _Part(x, max(part.up for part in parts), max(part.down for part in parts), tuple(shapes))


def _choice(parts: list[_Part]) -> _Part:
    """One below the other, the first one on the line."""
    if len(parts) == 1:
        return parts[0]
    inner = max(part.width for part in parts)
    width, y, shapes = inner + 4 * _GAP, 0.0, []
    for number, part in enumerate(parts):
        if number:
            y += parts[number - 1].down + _ROW + part.up
        shapes.append(_bent(0, 0, 2 * _GAP, y))
        shapes.append(part.at(2 * _GAP, y))
        shapes.append(_line(2 * _GAP + part.width, y, 2 * _GAP + inner, y))
        shapes.append(_bent(2 * _GAP + inner, y, width, 0))
    return _Part(width, parts[0].up, y + parts[-1].down, tuple(shapes))


def _loop(part: _Part, low: int, high: int | None) -> _Part:
    """The part with a way back below it, unless it stands once at most, and one around it where there may be none."""
    if high != 1:
        words = (
            "" if high is None and low <= 1 else f"{low}" if low == high else f"{max(low, 1)} to {high or 'any number'}"
        )
        y = part.down + _ROW + (8 if words else 0)
        back = _bent(2 * _GAP + part.width, 0, 3 * _GAP + part.width, y) + _line(_GAP, y, 3 * _GAP + part.width, y)
        back += _bent(2 * _GAP, 0, _GAP, y)
        width = max(part.width + 4 * _GAP, _LETTER * len(words) + 2 * _GAP)
        text = f'<text x="{width / 2:g}" y="{y + 9:g}">{words}</text>' if words else ""
        ends = _line(0, 0, 2 * _GAP, 0) + _line(2 * _GAP + part.width, 0, width, 0)
        part = _Part(width, part.up, y + (18 if words else 2), (ends, part.at(2 * _GAP, 0), back, text))
    return _choice([part, _straight()]) if low == 0 else part


def _members(node: Members) -> _Part:
    """The brackets and one way for each member."""
    entries = [
        _row([_box(label(Bytes(key), None), "text"), _part(value)])
        for key, value in zip(node.keys, node.values, strict=True)
    ]
    ways = entries[:_SHOWN] + [_row([_part(key), _part(value)]) for key, value in node.rest]
    if len(entries) > _SHOWN:
        ways.append(_box(f"{len(entries) - _SHOWN} more", "call"))
    inner = [_loop(_choice(ways), 1, None)] if ways else []
    return _row([_part(node.begin), *inner, _part(node.end)])


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<path d="M{x:g} {y:g}L{to_x:g} {to_y:g}"/>'


def _bent(x: float, y: float, to_x: float, to_y: float) -> str:
    """A curve that leaves and arrives level."""
    middle = (x + to_x) / 2
    return f'<path d="M{x:g} {y:g}C{middle:g} {y:g} {middle:g} {to_y:g} {to_x:g} {to_y:g}"/>'


def _mermaid(words: str) -> str:
    """A label in Mermaid's quotes, with entities for what would end or mark it."""
    return "".join(f"#{ord(char)};" if char in '"#;<>&`\\' or not char.isprintable() else char for char in words)
