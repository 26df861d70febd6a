"""parse_regex: the text of a regex to a Node, exactly or with an error that says where and why.

Place in the walk: regex text -> syntax tree (`regex_syntax.py`) -> parts (`regex_language.py`) -> **Node**.

Anchors, `\\b` and one-character lookarounds are exact wherever they stand, except Python's `$` inside repeats, and
counted repeats of more than eight copies, where only `^`, `$` of ECMA-262, `\\A` and `\\Z` are. Other lookaheads hold
for the rest of the text, so they become intersections with what follows; they may stand anywhere outside repeats, and
in `((?!...).)*` at the end of a regex. Other lookbehinds hold for the text so far, and become intersections with it;
they may stand outside repeats, left of all such lookaheads. Refused: other lookarounds in repeats, backreferences,
atomic groups, possessive quantifiers, conditionals.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from grammars.errors import UnsupportedFeature
from grammars.frontends.regex_language import (
    ANYTHING,
    ANYWHERE,
    EDGE,
    FINAL,
    Context,
    Language,
    Part,
    alternate,
    concatenate,
    empty_text,
    exclude,
    join,
    meet,
    one_of,
    overlap,
    plain,
    plain_language,
    repeat,
    times,
    unite,
)
from grammars.frontends.regex_sets import ANY, Flavor
from grammars.frontends.regex_syntax import read_regex
from grammars.frontends.regex_tree import Anchor, AnchorKind, Chars, Concat, Either, Known, Look, Times, Tree
from grammars.ir import Node, char_class

__all__ = ["parse_regex"]


def parse_regex(pattern: str, *, search: bool = False, flavor: Flavor = "python") -> Node:
    """The texts that match a regex as a whole; with `search`, those in which it matches somewhere.

    Python's `re.fullmatch` and `re.search` on str, or ECMA-262 in Unicode mode (JSON Schema's `pattern` is
    `search=True, flavor="ecma"`). Beyond `re`, the Python dialect has (?<name>...), \\p{Lu}, \\u{...}, \\cX and \\z;
    \\B holds in the empty text, as in `re` from Python 3.14 on.

    Raises `InvalidGrammar`, `UnsupportedFeature` or `LimitExceeded`, with the place in the pattern.

    >>> parse_regex("ab+")
    Sequence(items=(Bytes(data=b'a'), Repeat(item=Bytes(data=b'b'), min=1, max=None)))
    >>> parse_regex("^a", search=True)
    Sequence(items=(Bytes(data=b'a'), Repeat(item=CharClass(...), min=0, max=None)))
    """
    end = {(ANYWHERE, EDGE): ANYTHING} if search else empty_text(ANYWHERE, EDGE)
    begin = {(EDGE, ANYWHERE): ANYTHING} if search else empty_text(EDGE, ANYWHERE)
    tree = read_regex(pattern, flavor)
    matched = whole(_fewest_copies(tree) if search else tree, begin, end)
    found = []
    for (left, _), language in matched.items():
        if search and left == ANYWHERE:
            found.append(join((ANYTHING, language)))
            continue
        if left.edge:
            found.append(language)
        if search:
            found.append(join((ANYTHING, one_of(left.chars), language)))
    return alternate(found).node


def _fewest_copies(tree: Tree) -> Tree:
    """A tree that is found in the same texts: where a repeat begins or ends a match, it need not go on.

    `[a-z]{1,256}\\.[0-9]*` is found where `[a-z]\\.` is, whose automaton need not count.
    """
    return _fewest_at(_fewest_at(tree, 0), -1)


def _fewest_at(tree: Tree, end: int) -> Tree:
    """The tree with the fewest copies of the repeats at one end, 0 or -1."""
    match tree:
        case Either(items):
            return Either(tuple([_fewest_at(item, end) for item in items]))
        case Times(_, low, high) if high is None or low < high:
            return _fewest_at(replace(tree, max=low), end) if low else Concat(())
        case Times(item, 1, 1):
            return _fewest_at(item, end)
        case Concat((*items,)) if items:
            items[end] = _fewest_at(items[end], end)
            if items[end] == Concat(()):
                del items[end]
                return _fewest_at(Concat(tuple(items)), end)
            return Concat(tuple(items))
    return tree


def part(tree: Tree) -> Part:
    """The meaning of a tree without `needs_rest`: see `regex_language.py`."""
    match tree:
        case Chars(ranges):
            return plain(one_of(ranges))
        case Concat(items):
            return _concatenate_all([part(item) for item in items])
        case Either(items):
            return unite([part(item) for item in items])
        case Times(item, low, high, _, span):
            repeated = repeat(part(item), low, high)
            if repeated is None:
                raise UnsupportedFeature(
                    "a repeat of something with Python's $ in it, or of more than 8 copies with \\b or a lookaround in "
                    "them, is not supported",
                    span=span,
                    hint="\\Z is the end of the text and nothing else; (...)* has any number of copies",
                )
            return repeated
        case Anchor():
            return _anchor(tree)
        case Known(language):
            return plain(language)
        case Look(_, ahead, _, span):
            context = neighbour(tree)
            if context is None:
                name = "lookahead" if ahead else "lookbehind"
                raise UnsupportedFeature(
                    f"a {name} of this kind is not supported in a regex",
                    span=span,
                    hint="lookarounds of several characters may stand outside repeats, lookbehinds before lookaheads",
                )
            return empty_text(right=context) if ahead else empty_text(left=context)


def _concatenate_all(parts: list[Part]) -> Part:
    """The concatenation; runs of parts without demands are joined at once, which keeps long regexes linear."""
    grouped: list[Part] = []
    run: list[Language] = []
    for item in parts:
        if (language := plain_language(item)) is not None:
            run.append(language)
            continue
        grouped += [plain(join(run)), item] if run else [item]
        run = []
    if run or not grouped:
        grouped.append(plain(join(run)))
    return reduce(concatenate, grouped)


def _anchor(anchor: Anchor) -> Part:
    lines = Context(edge=True, chars=anchor.chars)
    word = Context(edge=False, chars=anchor.chars)
    other = word.inverse()
    places: dict[AnchorKind, list[tuple[Context, Context]]] = {
        "start": [(EDGE, ANYWHERE)],
        "end": [(ANYWHERE, EDGE)],
        "final": [(ANYWHERE, EDGE), (ANYWHERE, FINAL)],
        "line_start": [(lines, ANYWHERE)],
        "line_end": [(ANYWHERE, lines)],
        "word": [(word, other), (other, word)],
        "not_word": [(word, word), (other, other)],
    }
    return unite(empty_text(left, right) for left, right in places[anchor.kind])


def neighbour(look: Look) -> Context | None:
    """What a lookaround demands of the place next to it, if it tests one character or the edge; None otherwise.

    `(?=[a-z])` -> a letter; `(?<=^|,)` -> the edge or a comma; `(?!x)` -> the edge or no x.
    """
    edge = False
    chars: list[tuple[int, int]] = []
    for item in look.item.items if isinstance(look.item, Either) else (look.item,):
        match item:
            case Chars(ranges):
                chars += ranges
            case Anchor("start") if not look.ahead:
                edge = True
            case Anchor("end") if look.ahead:
                edge = True
            case _:
                return None
    context = Context(edge, char_class(chars).ranges)
    return context.inverse() if look.negative else context


def needs_rest(tree: Tree) -> bool:
    """Whether a lookahead in it must see more than the next character."""
    match tree:
        case Look():
            return tree.ahead and neighbour(tree) is None
        case Concat(items) | Either(items):
            return any(needs_rest(item) for item in items)
        case Times(item):
            return needs_rest(item)
        case _:
            return False


def needs_lead(tree: Tree) -> bool:
    """Whether a lookbehind in it must see more than the last character."""
    match tree:
        case Look():
            return not tree.ahead and neighbour(tree) is None
        case Concat(items) | Either(items):
            return any(needs_lead(item) for item in items)
        case Times(item):
            return needs_lead(item)
        case _:
            return False


def whole(tree: Tree, begin: Part, end: Part) -> Part:
    """What `begin`, `tree` and `end` match, one after the other, from the start to the end of the text.

    Where no lookbehind looks far, `begin` is left out.
    """
    before, behind = _split(tree)
    return tail(tree, end) if before is None else concatenate(head(before, begin), tail(behind, end))


def _split(tree: Tree) -> tuple[Tree | None, Tree]:
    """What stands before the end of the last lookbehind that looks far, None without one, and what stands behind it."""
    if not needs_lead(tree):
        return None, tree
    items = tree.items if isinstance(tree, Concat) else (tree,)
    last = max(i for i, item in enumerate(items) if needs_lead(item))
    return Concat(items[: last + 1]), Concat(items[last + 1 :])


def head(tree: Tree, lead: Part) -> Part:
    """What `lead` and then `tree` match, `lead` reaching from the start of the text: the mirror image of `tail`."""
    if not needs_lead(tree):
        return concatenate(lead, part(tree))
    match tree:
        case Concat(items):
            pending: list[Tree] = []
            for item in items:
                if needs_lead(item):
                    lead = head(item, concatenate(lead, part(Concat(tuple(pending)))))
                    pending = []
                else:
                    pending.append(item)
            return concatenate(lead, part(Concat(tuple(pending))))
        case Either(items):
            return unite([head(item, lead) for item in items])
        case Look():
            return _look_behind(tree, lead)
        case Times(item, 0, 1):
            return unite([lead, head(item, lead)])
        case Times(item, 1, 1):
            return head(item, lead)
        case _:
            return concatenate(lead, part(tree))  # which says that this is refused


def _look_behind(look: Look, lead: Part) -> Part:
    """The leads that match (do not match) the lookbehind's regex at their end."""
    seen = head(look.item, {(EDGE, ANYWHERE): ANYTHING})
    if look.negative:
        if not seen.keys() <= {(EDGE, ANYWHERE)}:
            raise UnsupportedFeature(
                "a negative lookbehind that looks at what is behind it is not supported in a regex", span=look.span
            )
        seen = {(EDGE, ANYWHERE): exclude(alternate(list(seen.values())))}
    return unite(
        {(EDGE, both): overlap(language, condition)}
        for (_, right), language in lead.items()
        for (_, demand), condition in seen.items()
        if (both := meet(right, demand))
    )


def tail(tree: Tree, rest: Part) -> Part:
    """What `tree` and then `rest` match, `rest` reaching to the end of the text."""
    if not needs_rest(tree):
        return concatenate(part(tree), rest)
    match tree:
        case Concat(items):
            pending: list[Tree] = []
            for item in reversed(items):
                if needs_rest(item):
                    rest = tail(item, concatenate(part(Concat(tuple(pending[::-1]))), rest))
                    pending = []
                else:
                    pending.append(item)
            return concatenate(part(Concat(tuple(pending[::-1]))), rest)
        case Either(items):
            return unite([tail(item, rest) for item in items])
        case Look():
            return _look_ahead(tree, rest)
        case Times(item, 0, 1):
            return unite([rest, tail(item, rest)])
        case Times(item, 1, 1):
            return tail(item, rest)
        case Times():
            return _guarded(tree, rest)
        case _:
            raise AssertionError(tree)


def _look_ahead(look: Look, rest: Part) -> Part:
    """The rests that match (do not match) the lookahead's regex from their start."""
    seen = tail(look.item, {(ANYWHERE, EDGE): ANYTHING})
    if look.negative:
        if not seen.keys() <= {(ANYWHERE, EDGE)}:
            raise UnsupportedFeature(
                "a negative lookahead that looks at what is before it is not supported in a regex", span=look.span
            )
        seen = {(ANYWHERE, EDGE): exclude(alternate(list(seen.values())))}
    return unite(
        {(both, EDGE): overlap(language, condition)}
        for (left, _), language in rest.items()
        for (demand, _), condition in seen.items()
        if (both := meet(left, demand))
    )


def _guarded(loop: Times, rest: Part) -> Part:
    """`((?!x)(?!y).)*` at the end of the text: no x and no y begins anywhere in it.

    Exact when nothing follows: then each place before the end of the text is one where the lookaheads are tested.
    """
    *guards, last = loop.item.items if isinstance(loop.item, Concat) else (loop.item,)
    looks = [guard for guard in guards if isinstance(guard, Look) and guard.ahead and guard.negative]
    ends = rest.keys() == {(ANYWHERE, EDGE)} and rest[ANYWHERE, EDGE].node == join(()).node
    if not ends or len(looks) != len(guards) or not isinstance(last, Chars):
        raise UnsupportedFeature(
            "a lookahead inside a repeat is not supported in a regex",
            span=loop.span,
            hint="((?!...).)* is, where it ends a regex",
        )
    found = times(one_of(last.ranges), loop.min, loop.max)
    for look in looks:
        seen = tail(look.item, {(ANYWHERE, EDGE): ANYTHING})
        if not seen.keys() <= {(ANYWHERE, EDGE)}:
            raise UnsupportedFeature(
                "a negative lookahead that looks at what is before it is not supported in a regex", span=look.span
            )
        for language in seen.values():
            inside = overlap(language, join((one_of(ANY), ANYTHING)))
            found = overlap(found, exclude(join((ANYTHING, inside))))
    return {(ANYWHERE, EDGE): found}
