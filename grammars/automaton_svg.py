"""automaton_svg: the minimal automaton of a rule as an SVG document.

Place in the walk: on the raw Grammar, for people, beside `drawing.py`: `gcd draw --as automaton-svg`. States stand in
columns by how few characters lead to them, those of a column below one another; a double circle is where a text may
end. Edges are curves, bent more the farther they go; those that go back pass below.
"""

from __future__ import annotations

from html import escape

from grammars.dfa import Dfa
from grammars.drawing import edge_labels, rule_dfa
from grammars.ir import Grammar

__all__ = ["automaton_svg"]

_RADIUS, _WIDE, _HIGH, _LETTER, _LONG = 16, 130, 70, 6.6, 16

_STYLE = (
    "text{font:11px monospace;text-anchor:middle;dominant-baseline:central}"
    "circle{fill:#eef;stroke:#557;stroke-width:1.5}path{fill:none;stroke:#555;stroke-width:1.2}"
    "path.edge{marker-end:url(#arrow)}text.edge{paint-order:stroke;stroke:white;stroke-width:3px}"
)
_ARROW = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0 0L8 4L0 8z" style="fill:#555;stroke:none"/></marker></defs>'
)


def automaton_svg(grammar: Grammar, rule: str | None = None) -> str:
    """The minimal automaton over characters of a rule without recursion, as an SVG document.

    Raises as `automaton_mermaid` does.
    """
    dfa = rule_dfa(grammar, rule)
    places = _places(dfa)
    shapes = [f'<path class="edge" d="M4 {places[0][1]}H{places[0][0] - _RADIUS:g}"/>']
    for state in range(len(dfa.edges)):
        for to, words in edge_labels(dfa, state):
            shapes += _edge(places[state], places[to], words)
    for state, (x, y) in enumerate(places):
        shapes.append(f'<circle cx="{x}" cy="{y}" r="{_RADIUS}"/>')
        shapes += [f'<circle cx="{x}" cy="{y}" r="{_RADIUS - 4}"/>'] if state in dfa.finals else []
        shapes.append(f'<text x="{x}" y="{y}">{state}</text>')
    width = max(x for x, _ in places) + _WIDE // 2
    height = max(y for _, y in places) + _HIGH + _RADIUS * len(dfa.edges) // 4
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f"<style>{_STYLE}</style>{_ARROW}\n" + "\n".join(shapes) + "\n</svg>\n"
    )


def _places(dfa: Dfa) -> list[tuple[int, int]]:
    """Where each state stands: its column is the length of its shortest text."""
    columns = {0: 0}
    rows: dict[int, int] = {}
    places: dict[int, tuple[int, int]] = {}
    queue = [0]
    for state in queue:  # it grows
        column = columns[state]
        row = rows[column] = rows.get(column, -1) + 1
        places[state] = (_WIDE // 2 + _WIDE * column, _HIGH + _HIGH * row + (_HIGH // 2 if column % 2 else 0))
        for _, _, to in dfa.edges[state]:
            if to not in columns:
                columns[to] = column + 1
                queue.append(to)
    return [places[state] for state in range(len(dfa.edges))]


def _edge(begin: tuple[int, int], end: tuple[int, int], words: str) -> list[str]:
    """A curve with a label at its middle."""
    (x, y), (to_x, to_y) = begin, end
    shown = escape(words if len(words) <= _LONG else words[: _LONG - 1] + "…")
    if begin == end:
        top = y - 2.6 * _RADIUS
        curve = f"M{x - 8} {y - 14}C{x - 24} {top:g} {x + 24} {top:g} {x + 8} {y - 14}"
        return [f'<path class="edge" d="{curve}"/>', f'<text class="edge" x="{x}" y="{y - 38}">{shown}</text>']
    far = abs(to_x - x) // _WIDE
    bend = 0 if far == 1 and to_x > x else (18 + 14 * far) * (-1 if to_x > x else 1)
    middle: tuple[float, float]
    if to_x == x:  # in one column: past its side
        middle, tip = (x + 46, (y + to_y) / 2), (_RADIUS * 0.9, 4 if to_y > y else -4)
        start, stop = (x + tip[0], y + tip[1]), (to_x + tip[0], to_y - tip[1])
    else:
        side = _RADIUS if to_x > x else -_RADIUS
        middle, start, stop = ((x + to_x) / 2, (y + to_y) / 2 + 2 * bend), (x + side, y), (to_x - side, to_y)
    curve = f"M{start[0]:g} {start[1]:g}Q{middle[0]:g} {middle[1]:g} {stop[0]:g} {stop[1]:g}"
    at_x, at_y = (start[0] + 2 * middle[0] + stop[0]) / 4, (start[1] + 2 * middle[1] + stop[1]) / 4
    label = f'<text class="edge" x="{at_x:g}" y="{at_y - 8:g}">{shown}</text>'
    return [f'<path class="edge" d="{curve}"/>', label]
