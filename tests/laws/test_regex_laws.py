"""Laws of the regex front end: a text is in the language of a pattern iff Python's `re` says that it matches."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from naive import Language

from grammars.errors import UnsupportedFeature
from grammars.frontends.regex import parse_regex
from grammars.ir import Grammar, Node

CHARACTERS = [
    "a",
    "b",
    "A",
    "\\n",
    "_",
    "é",
    ".",
    "[ab]",
    "[^a]",
    "[a-b_]",
    r"\w",
    r"\W",
    r"\s",
    r"[^\w]",
    r"\.",
    "(?i:b)",
]
PLACES = ["^", "$", r"\A", r"\Z", r"\b", r"\B", "(?=a)", "(?!b)", r"(?<=\w)", "(?<!a)", "(?!b|$)"]
PLACES_IN_REPEATS = ["^", r"\A", r"\Z"]
COUNTS = ["*", "+", "?", "{2}", "{1,2}", "{0,3}", "{1,}", "*?", "{,2}"]
# re.search(r"\B", "") finds nothing before Python 3.14, so the empty text is left out where \B occurs.
TEXTS = st.lists(st.text("abA\n_é .", max_size=5), min_size=1, max_size=12)


def ascii_only(pattern: str) -> str:
    """The pattern with ASCII shorthands: the naive recogniser is slow on classes of 700 ranges."""
    return f"(?a){pattern}"


def patterns(places: list[str]) -> st.SearchStrategy[str]:
    """Regexes as text, with tests of places from `places`; repeats have only tests of the edges in them."""
    atoms = st.sampled_from(CHARACTERS + places)

    def larger(smaller: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        either = st.lists(smaller, min_size=2, max_size=3).map(lambda items: f"(?:{'|'.join(items)})")
        cat = st.lists(smaller, min_size=2, max_size=4).map("".join)
        looks = st.tuples(st.sampled_from(["(?=", "(?!"]), smaller).map(lambda pair: f"{pair[0]}{pair[1]})")
        loops = st.tuples(repeated, st.sampled_from(COUNTS)).map(lambda pair: f"(?:{pair[0]}){pair[1]}")
        return st.one_of(either, cat, loops, looks if places is PLACES else cat)

    repeated = patterns(PLACES_IN_REPEATS) if places is PLACES else st.deferred(lambda: strategy)
    strategy = st.recursive(atoms, larger, max_leaves=8)
    return strategy.filter(is_quick)


def is_quick(pattern: str) -> bool:
    """Whether `re` ends in time: it backtracks, and four loops in one another take it minutes for three characters."""
    deepest = [0]
    for mark in re.findall(r"\(|\)(?:[*+]|\{1,\})?", re.sub(r"\\.", "", pattern)):
        if mark == "(":
            deepest.append(0)
        else:
            inside = deepest.pop() + (mark != ")")
            deepest[-1] = max(deepest[-1], inside)
    return deepest[0] <= 2


def members(node: Node, texts: list[str]) -> list[str]:
    language = Language(Grammar({"start": node}))
    return [text for text in texts if language.accepts(text.encode())]


def read(pattern: str, *, search: bool) -> Node | None:
    """The node; None for a negative lookahead that looks back, which is refused."""
    try:
        return parse_regex(pattern, search=search)
    except UnsupportedFeature as error:
        if "looks at what is before it" not in error.message:
            raise
        return None


@settings(max_examples=150)
@given(patterns(PLACES).map(ascii_only), TEXTS)
def test_members_are_the_full_matches_of_re(pattern: str, texts: list[str]) -> None:
    node = read(pattern, search=False)
    texts = [text for text in texts if text or r"\B" not in pattern]
    if node is not None:
        assert members(node, texts) == [text for text in texts if re.fullmatch(pattern, text)]


@settings(max_examples=150)
@given(patterns(PLACES).map(ascii_only), TEXTS)
def test_members_of_a_search_are_the_texts_that_re_finds_it_in(pattern: str, texts: list[str]) -> None:
    node = read(pattern, search=True)
    texts = [text for text in texts if text or r"\B" not in pattern]
    if node is not None:
        assert members(node, texts) == [text for text in texts if re.search(pattern, text)]


@settings(max_examples=100)
@given(patterns(["^", r"\Z"]), TEXTS)
def test_ecma_differs_by_the_name_of_the_end(pattern: str, texts: list[str]) -> None:
    texts = [text.replace("é", "-") for text in texts]  # \w is ASCII in ECMA-262
    node = parse_regex(pattern.replace("{,2}", "{0,2}").replace(r"\Z", "$"), search=True, flavor="ecma")
    assert members(node, texts) == [text for text in texts if re.search(pattern, text)]


@settings(max_examples=100)
@given(st.lists(st.sampled_from("aAkKſßẞsSıİiIµΜσςΣǆǅ[]^-\\wW09é"), min_size=1, max_size=5), st.booleans())
def test_ignoring_case_is_that_of_re(listed: list[str], negated: bool) -> None:
    body = "".join(c if c.isalnum() else f"\\{c}" for c in listed)
    pattern = f"(?i)[{'^' * negated}{body}]"
    texts = list("aAkKKſßẞsSıİiIµμΜσςΣǆǅǄ[]^-\\wW09é")
    assert members(parse_regex(pattern), texts) == [text for text in texts if re.fullmatch(pattern, text)]
