"""Structural tags: what each format means, against sets of texts made by plain Python, and what is refused."""

from __future__ import annotations

import json
import os
import random
import re
from functools import cache
from itertools import product
from pathlib import Path

import pytest

import gcd
from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, GrammarError, InvalidGrammar, LimitExceeded, UnsupportedFeature

SEEDS = int(os.environ.get("GCD_RANDOM_TAGS", "25"))
ALPHABET, LONGEST = "ab<", 5
EVERY = ["".join(letters) for n in range(LONGEST + 1) for letters in product(ALPHABET, repeat=n)]

Format = dict[str, object]


def members(tag: Format, every: list[str]) -> set[str]:
    automaton = compile_grammar(gcd.structural_tag({"type": "structural_tag", "format": tag}).grammar)
    return {text for text in every if automaton.accepts(text.encode())}


# The slow twin: the texts of a format, of up to LONGEST characters, as a set.


def joined(*sets: set[str]) -> set[str]:
    found = {""}
    for more in sets:
        found = {a + b for a in found for b in more if len(a + b) <= LONGEST}
    return found


def repeated(one: set[str], low: int, high: int) -> set[str]:
    found: set[str] = set()
    for count in range((LONGEST + low if high < 0 else high) + 1):
        if count >= low:
            found |= joined(*[one] * count)
    return found


def dispatched(rules: dict[str, set[str]], stops: list[str], *, loops: bool) -> set[str]:
    """Reads each text from the left: the phrase that is complete first decides."""

    @cache
    def reads(text: str) -> bool:
        ends = {phrase: text.find(phrase) + len(phrase) for phrase in [*rules, *stops] if phrase in text}
        if not ends:
            return True
        first = min(ends, key=ends.__getitem__)
        rest = text[ends[first] :]
        return first in rules and any(
            rest[:cut] in rules[first] and (reads(rest[cut:]) if loops else cut == len(rest))
            for cut in range(len(rest) + 1)
        )

    return {text for text in EVERY if reads(text)}


def texts(tag: Format, stops: list[str]) -> set[str]:
    def inner(name: str) -> set[str]:
        return texts(tag[name], stops)  # type: ignore[arg-type]

    match tag["type"]:
        case "const_string":
            return {tag["value"]}  # type: ignore[arg-type]
        case "any_text":
            phrases = [*tag.get("excludes", []), *stops]  # type: ignore[misc]
            longest = tag.get("max_chars", LONGEST)
            return {t for t in EVERY if not any(p in t for p in phrases) and len(t) <= longest}  # type: ignore[operator]
        case "sequence":
            return joined(*[texts(part, stops) for part in tag["elements"]])  # type: ignore[attr-defined]
        case "or":
            return set().union(*[texts(part, stops) for part in tag["elements"]])  # type: ignore[attr-defined]
        case "optional":
            return inner("content") | {""}
        case "star":
            return repeated(inner("content"), 0, -1)
        case "plus":
            return repeated(inner("content"), 1, -1)
        case "repeat":
            return repeated(inner("content"), tag["min"], tag["max"])  # type: ignore[arg-type]
        case "tag":
            return joined({tag["begin"]}, behind(tag))  # type: ignore[arg-type]
        case "triggered_tags":
            return triggered(tag, stops)
        case "dispatch":
            rules = {pattern: texts(part, stops) for pattern, part in tag["rules"]}  # type: ignore[attr-defined]
            return dispatched(rules, tag.get("excludes", []), loops=tag.get("loop", True))  # type: ignore[arg-type]
        case "tags_with_separator":
            one = set().union(*[texts(part, stops) for part in tag["tags"]])  # type: ignore[attr-defined]
            more = joined(one, repeated(joined({tag["separator"]}, one), 0, -1))  # type: ignore[arg-type]
            some = one if tag.get("stop_after_first") else more
            return some if tag.get("at_least_one") else some | {""}
    raise AssertionError(tag)


def behind(tag: Format) -> set[str]:
    ends = [tag["end"]] if isinstance(tag["end"], str) else tag["end"]
    stops = [end for end in ends if end]  # type: ignore[attr-defined]
    return joined(texts(tag["content"], stops), set(ends))  # type: ignore[arg-type]


def triggered(tag: Format, stops: list[str]) -> set[str]:
    rules: dict[str, set[str]] = {trigger: set() for trigger in tag["triggers"]}  # type: ignore[attr-defined]
    whole: set[str] = set()
    for one in tag["tags"]:  # type: ignore[attr-defined]
        (trigger,) = [trigger for trigger in rules if one["begin"].startswith(trigger)]
        rules[trigger] |= joined({one["begin"][len(trigger) :]}, behind(one))
        whole |= texts(one, [])
    stops = [*tag.get("excludes", []), *stops]  # type: ignore[misc]
    once = bool(tag.get("stop_after_first"))
    if not tag.get("at_least_one"):
        return dispatched(rules, stops, loops=not once)
    return whole if once else joined(whole, dispatched(rules, stops, loops=True))


def word(rng: random.Random, low: int, high: int) -> str:
    return "".join(rng.choice(ALPHABET) for _ in range(rng.randint(low, high)))


def random_tag(rng: random.Random, depth: int) -> Format:
    end = word(rng, 0, 2) if rng.random() < 0.7 else [word(rng, 1, 2), word(rng, 1, 2)]
    return {"type": "tag", "begin": word(rng, 1, 2), "content": random_format(rng, depth - 1), "end": end}


def random_format(rng: random.Random, depth: int) -> Format:
    kinds = ["const_string", "any_text"]
    if depth > 0:
        kinds += ["sequence", "or", "optional", "star", "plus", "repeat", "tag", "triggered_tags", "dispatch"]
        kinds += ["tags_with_separator", "tag", "triggered_tags"]
    flags = {name: True for name in ("at_least_one", "stop_after_first") if rng.random() < 0.3}
    excludes = {"excludes": [word(rng, 1, 2)]} if rng.random() < 0.3 else {}
    match kind := rng.choice(kinds):
        case "const_string":
            return {"type": kind, "value": word(rng, 0, 2)}
        case "any_text":
            return {"type": kind, **excludes, **({"max_chars": rng.randint(0, 3)} if rng.random() < 0.3 else {})}
        case "sequence" | "or":
            return {"type": kind, "elements": [random_format(rng, depth - 1) for _ in range(rng.randint(1, 3))]}
        case "optional" | "star" | "plus":
            return {"type": kind, "content": random_format(rng, depth - 1)}
        case "repeat":
            low = rng.randint(0, 2)
            return {
                "type": kind,
                "min": low,
                "max": rng.choice([-1, low, low + 1]),
                "content": random_format(rng, depth - 1),
            }
        case "tag":
            return random_tag(rng, depth)
        case "triggered_tags":
            tags = [random_tag(rng, depth) for _ in range(rng.randint(1, 2))]
            triggers = [*dict.fromkeys(tag["begin"][: rng.randint(1, 2)] for tag in tags)]  # type: ignore[index]
            return {"type": kind, "triggers": triggers, "tags": tags, **flags, **excludes}
        case "dispatch":
            patterns = [*dict.fromkeys(word(rng, 1, 2) for _ in range(rng.randint(1, 2)))]
            rules = [[pattern, random_format(rng, depth - 1)] for pattern in patterns]
            return {"type": kind, "rules": rules, "loop": rng.random() < 0.5, **excludes}
    tags = [random_tag(rng, depth) for _ in range(rng.randint(1, 2))]
    return {"type": kind, "tags": tags, "separator": word(rng, 0, 1), **flags}


def test_random_tags_have_the_texts_of_the_slow_twin() -> None:
    compared = 0
    for seed in range(SEEDS):
        tag = random_format(random.Random(seed), 3)
        try:
            found = members(tag, EVERY)
        except EmptyLanguage:
            found = set()
        except InvalidGrammar as error:  # a trigger of no tag or of two, inside of another phrase, or excluded
            if re.search("no trigger| and |found first|must not", error.message):
                continue
            raise
        assert found == texts(tag, []), f"seed {seed}: {json.dumps(tag)}"
        compared += 1
    assert compared > SEEDS / 2


def constant(value: str) -> Format:
    return {"type": "const_string", "value": value}


def tag(begin: object, content: Format, end: object) -> Format:
    return {"type": "tag", "begin": begin, "content": content, "end": end}


ANY: Format = {"type": "any_text"}
CITY = {"type": "object", "properties": {"city": {"type": "string"}, "n": {"type": "integer"}}, "required": ["city"]}
TOOLS: Format = {
    "type": "triggered_tags",
    "triggers": ["<function="],
    "tags": [
        tag("<function=weather>", {"type": "json_schema", "json_schema": CITY}, "</function>"),
        tag("<function=time>", {"type": "regex", "pattern": "\\d\\d:\\d\\d"}, "</function>"),
    ],
}
THINK = tag("<think>", ANY, "</think>")

TABLE: list[tuple[str, Format, list[str], list[str]]] = [
    (
        "calls in free text",
        TOOLS,
        ["", "Hi <3", 'a<function=weather>{"city": "Ulm"}</function>b<function=time>12:30</function>'],
        ["<function=", "<function=weather>{}</function>", "<function=time>12:30", "<function=news></function>"],
    ),
    (
        "reasoning, then an answer",
        {"type": "sequence", "elements": [THINK, {"type": "json_schema", "json_schema": {"type": "integer"}}]},
        ["<think>a < b</think>1", "<think></think>-2"],
        ["1", "<think>1", "<think></think></think>1"],
    ),
    ("several ends", tag("<", ANY, [">", "!"]), ["<a>", "<!"], ["<a", "<a>!"]),
    ("an end before another", tag("<", constant(">"), ">"), ["<>>"], ["<>"]),
    (
        "a regex of ECMA-262, as a whole",
        {"type": "regex", "pattern": "^[^\\S]+\\d$|x"},
        [" 1", "x"],
        ["\u0661", "ax", "1"],
    ),
    ("GBNF", {"type": "grammar", "grammar": 'root ::= "a" root | "b"'}, ["b", "aab"], ["", "a"]),
    ("Lark", {"type": "grammar", "grammar": 'start: "a"+'}, ["a", "aa"], ["", "b"]),
    (
        "keys in any order, the required ones always",
        {"type": "json_schema", "json_schema": CITY, "any_order": True},
        ['{"n": 1, "city": ""}', '{"city": ""}'],
        ['{"n": 1}', '{"city": "", "city": ""}'],
    ),
    ("any JSON", {"type": "json_schema", "json_schema": True}, ["[1]"], [""]),
    ("null is as if it were not there", {"type": "any_text", "excludes": ["a"], "max_chars": None}, ["", "bc"], ["ab"]),
    (
        "characters, not bytes",
        tag("<", {"type": "any_text", "max_chars": 2}, ">"),
        ["<>", "<\u20ac\u20ac>"],
        ["<\u20ac\u20ac\u20ac>"],
    ),
    ("the type of a tag left out", {**TOOLS, "tags": [{"begin": "<function=", "content": ANY, "end": "/"}]}, ["a"], []),
]


@pytest.mark.parametrize(("wanted", "accepted", "refused"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_formats(wanted: Format, accepted: list[str], refused: list[str]) -> None:
    assert members(wanted, accepted + refused) == set(accepted)


def test_the_older_form_is_triggered_tags(tmp_path: Path) -> None:
    structure = {"begin": "<function=weather>", "schema": CITY, "end": "</function>"}
    written = json.dumps({"type": "structural_tag", "structures": [structure], "triggers": ["<function="]})
    (tmp_path / "tag.json").write_text(written)
    for given in (json.loads(written), written, tmp_path / "tag.json"):
        automaton = compile_grammar(gcd.structural_tag(given, whitespace="compact").grammar)
        assert automaton.accepts(b'x<function=weather>{"city":"Ulm"}</function><fun')
        assert not automaton.accepts(b'x<function=weather>{"city": "Ulm"}</function>')
        assert not automaton.accepts(b"<function=time>")


def test_beginnings_and_ends_that_are_tokens() -> None:
    token, number = {"type": "token", "token": "<|call|>"}, {"type": "token", "token": 2}
    vocabulary = gcd.Vocabulary([b"a", b"<", b"", b""], eos_token_ids=[3], special_tokens={"<|call|>": 2, "<eos>": 3})
    for one in (token, number):
        wanted = {"type": "sequence", "elements": [ANY, tag(one, ANY, one)]}
        language = gcd.structural_tag({"type": "structural_tag", "format": wanted})
        check_calls(language, vocabulary)


def test_free_text_of_so_many_tokens() -> None:
    """The last of them may go on behind it; with 0 there is none."""
    vocabulary = gcd.Vocabulary([b"a", b"<", b">", b"a<", b""], eos_token_ids=[4])
    for most, taken in ((2, {(0, 0, 1), (0, 3), (1,)}), (0, {(1,)})):
        thought = tag("<", {"type": "any_text", "max_tokens": most}, "<>")
        matcher = gcd.compile(grammar=gcd.structural_tag(whole(thought)), tokenizer=vocabulary).matcher()
        assert matcher.accept_token(1)
        for tokens in ((0, 0, 0), (0, 0, 1), (0, 0, 3), (0, 3), (1,)):
            there = matcher.fork()
            assert all(map(there.accept_token, tokens)) == (tokens in taken)
            assert tokens not in taken or (there.accept_token(2) and there.accept_token(4))


def check_calls(language: gcd.Language, vocabulary: gcd.Vocabulary) -> None:
    matcher = gcd.compile(grammar=language, tokenizer=vocabulary).matcher()
    assert [matcher.accept_token(token) for token in (0, 1, 3, 2, 1, 0, 3, 2, 0, 3)] == [
        True, True, False, True, True, True, False, True, False, True,
    ]  # fmt: skip
    assert matcher.is_terminated()


def whole(wanted: object) -> object:
    return {"type": "structural_tag", "format": wanted}


NONE = 'this is no structural tag (at #)\nwrite {"type": "structural_tag", "format": {"type": "tag", ...}}'
ERRORS: list[tuple[object, type[GrammarError], str]] = [
    ("[1", InvalidGrammar, "this is not JSON: expecting ',' delimiter (line 1, column 2)\n    [1\n     ^"),
    ([], InvalidGrammar, NONE),
    (ANY, InvalidGrammar, NONE),
    ({"type": "structural_tag"}, InvalidGrammar, "format is missing (at #)"),
    (whole(1), InvalidGrammar, "a format is needed here, not 1 (at #/format)"),
    (whole({}), InvalidGrammar, "type is missing (at #/format)"),
    (
        whole({"type": "any-text"}),
        InvalidGrammar,
        'there is no format "any-text" (at #/format/type)\ndid you mean any_text?',
    ),
    (
        whole({"type": "sequence", "elements": [{"type": "const_string", "valeu": "a"}]}),
        InvalidGrammar,
        'there is no field "valeu" (at #/format/elements/0)\ndid you mean value?',
    ),
    (whole({"type": "const_string", "value": 1}), InvalidGrammar, "a string is needed here, not 1 (at #/format/value)"),
    (whole(constant("\ud800")), InvalidGrammar, "no text holds a lone surrogate (at #/format/value)"),
    (whole({"type": "or", "elements": []}), InvalidGrammar, "there is nothing to choose from (at #/format/elements)"),
    (whole({"type": "or", "elements": 1}), InvalidGrammar, "a list is needed here, not 1 (at #/format/elements)"),
    (
        whole({"type": "repeat", "min": 2, "max": 1, "content": ANY}),
        InvalidGrammar,
        "from 2 to 1 is no number of times (at #/format)",
    ),
    (
        whole({"type": "repeat", "min": True, "max": 1, "content": ANY}),
        InvalidGrammar,
        "a count is needed here, not true (at #/format/min)",
    ),
    (
        whole({"type": "repeat", "min": 2, "max": 10**9, "content": ANY}),
        LimitExceeded,
        "a count of more than 1,000,000 (at #/format/max)",
    ),
    (
        whole({"type": "any_text", "excludes": ["a", ""]}),
        InvalidGrammar,
        "an empty string is everywhere (at #/format/excludes/1)",
    ),
    (
        whole({"type": "any_text", "max_tokens": "5"}),
        InvalidGrammar,
        "a count is needed here, not \"5\" (at #/format/max_tokens)",
    ),
    (whole({"type": "token", "token": -7}), InvalidGrammar, "a count is needed here, not -7 (at #/format/token)"),
    (
        whole({"type": "any_tokens"}),
        UnsupportedFeature,
        "the format any_tokens is not supported in a structural tag (at #/format)\n"
        "free text has no special tokens: any_text, triggered_tags and dispatch are by characters",
    ),
    (
        whole({"type": "token_triggered_tags", "trigger_tokens": ["<tool>"], "tags": []}),
        UnsupportedFeature,
        "the format token_triggered_tags is not supported in a structural tag (at #/format)\n"
        "free text has no special tokens: any_text, triggered_tags and dispatch are by characters",
    ),
    (
        whole({"type": "qwen_xml_parameter", "json_schema": {}}),
        UnsupportedFeature,
        "the format qwen_xml_parameter is not supported in a structural tag (at #/format)\n"
        "write the parts between the values as const_string, and the values as json_schema or regex",
    ),
    (
        whole({"type": "json_schema", "json_schema": {}, "max_whitespace_cnt": 2}),
        UnsupportedFeature,
        "max_whitespace_cnt is not supported in a structural tag (at #/format/max_whitespace_cnt)\n"
        "whitespace= is the option for all schemas",
    ),
    (
        whole({"type": "json_schema", "json_schema": {}, "excludes": ["a"]}),
        UnsupportedFeature,
        "excludes of a schema is not supported in a structural tag (at #/format/excludes)\n"
        "say it by pattern in the schema's strings",
    ),
    (
        whole({"type": "json_schema", "json_schema": {}, "style": "qwen_xml"}),
        UnsupportedFeature,
        "the style qwen_xml is not supported in a structural tag (at #/format/style)\n"
        "write the parts between the values as const_string, and the values as json_schema or regex",
    ),
    (
        whole(tag("<", {"type": "json_schema", "json_schema": {"type": "objekt"}}, ">")),
        InvalidGrammar,
        "type",
    ),
    (whole({"type": "regex", "pattern": "a("}), InvalidGrammar, "in the regex at #/format/pattern: "),
    (whole({"type": "grammar", "grammar": "root ::= a"}), InvalidGrammar, "in the grammar at #/format/grammar: "),
    (whole(tag("<", ANY, [])), InvalidGrammar, 'a tag needs an end (at #/format/end)\n"end": "" is none'),
    (whole(tag(1, ANY, "")), InvalidGrammar, "a string or a token is needed here, not 1 (at #/format/begin)"),
    (
        whole({**TOOLS, "triggers": ["<call"]}),
        InvalidGrammar,
        "'<function=weather>' begins with no trigger (at #/format/tags/0/begin)\n"
        "the trigger of a tag is what its begin begins with, and only one is",
    ),
    (
        whole({**TOOLS, "triggers": ["<function=", "<"]}),
        InvalidGrammar,
        "'<function=weather>' begins with '<function=' and '<' (at #/format/tags/0/begin)\n"
        "the trigger of a tag is what its begin begins with, and only one is",
    ),
    (
        whole({**TOOLS, "triggers": ["<function=", "<call"]}),
        InvalidGrammar,
        "no tag begins with this trigger (at #/format/triggers/1)\nexcludes are what free text must not have",
    ),
    (whole({**TOOLS, "tags": []}), InvalidGrammar, "there are no tags (at #/format/tags)"),
    (whole({**TOOLS, "tags": [ANY]}), InvalidGrammar, "a tag is needed here (at #/format/tags/0/type)"),
    (
        whole({**TOOLS, "at_least_one": 1}),
        InvalidGrammar,
        "true or false is needed here, not 1 (at #/format/at_least_one)",
    ),
    (
        whole({**TOOLS, "excludes": ["<function="]}),
        InvalidGrammar,
        "'<function=' begins something here, and free text must not have it or ends with it (at #/format)",
    ),
    (
        whole({"type": "dispatch", "rules": [["<a", ANY], ["b<a", ANY]]}),
        InvalidGrammar,
        "the tag 'b<a' contains '<a', which is found first (at #/format)\n"
        "begin at the shorter one, and choose between what may follow it",
    ),
    (
        whole({"type": "dispatch", "rules": [["<a"]]}),
        InvalidGrammar,
        "a pattern and a format are needed here (at #/format/rules/0)",
    ),
    (
        {"type": "structural_tag", "structures": [{"begin": "<a>", "end": ""}], "triggers": ["<"]},
        InvalidGrammar,
        "schema is missing (at #/structures/0)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "kind", "message"), ERRORS, ids=[row[2][:40] for row in ERRORS])
def test_errors(wanted: object, kind: type[GrammarError], message: str) -> None:
    with pytest.raises(kind) as caught:
        gcd.structural_tag(wanted)  # type: ignore[arg-type]
    assert type(caught.value) is kind
    if message == "type":
        assert caught.value.pointer == "/format/content/json_schema/type"
    elif message.endswith(": "):
        assert str(caught.value).startswith(message)
        assert caught.value.span is not None
    else:
        assert str(caught.value) == message


def test_what_is_nested_without_an_end() -> None:
    wanted: Format = ANY
    for _ in range(63):
        wanted = {"type": "optional", "content": wanted}
    assert members(wanted, ["a"]) == {"a"}
    with pytest.raises(LimitExceeded) as caught:
        gcd.structural_tag(whole({"type": "optional", "content": wanted}))  # type: ignore[arg-type]
    assert caught.value.message == "more than 64 formats inside one another"
    around: object = 1
    for _ in range(100_000):
        around = [around]
    with pytest.raises(InvalidGrammar, match="a format is needed here, not a Python list"):
        gcd.structural_tag(whole(around))  # type: ignore[arg-type]
