"""Whether the instances of MaskBench files are accepted token by token, for every tokenizer of a folder.

    python bench/instances.py MASKBENCH TOKENIZERS [--sample N] [--masks N] [--jobs 2] [--list]

For each schema that compiles: its valid instances, written as `json.dumps(data, ensure_ascii=False)` and tokenized,
must be accepted by `advance` token by token and end in an accepting state; invalid ones must not. The language fixes
one order of an object's keys: a valid instance that is refused is tried again with its keys in another order, and
"reordered" counts those, among the accepted, that needed it. With `--masks N` every token of the first N schemas is
looked up in the mask as well, and EOS after the last.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from grammars.compile import compile_grammar
from grammars.errors import GrammarError
from grammars.frontends.json_schema import parse_json_schema
from tokenizer_align.constraint import Constraint, align
from tokenizer_align.vocabulary import Vocabulary

COLUMNS = ("valid accepted", "reordered", "valid refused", "invalid refused", "invalid accepted", "mask differs")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("maskbench", type=Path)
    arguments.add_argument("tokenizers", type=Path)
    arguments.add_argument("--sample", type=int, default=0, metavar="N", help="N schemas, evenly spread; 0 for all")
    arguments.add_argument("--masks", type=int, default=0, metavar="N", help="look tokens up in the masks of N schemas")
    arguments.add_argument("--jobs", type=int, default=2)
    arguments.add_argument("--list", action="store_true", help="name the instances that are judged wrongly")
    options = arguments.parse_args()
    files = sorted(options.maskbench.glob("*.json"))
    files = files[:: max(1, len(files) // options.sample)] if options.sample else files
    folders = sorted(path.parent for path in options.tokenizers.glob("*/tokenizer.json"))
    totals: dict[str, Counter[str]] = {folder.name: Counter() for folder in folders}
    outcomes: Counter[str] = Counter()
    with ProcessPoolExecutor(options.jobs) as pool:
        work = [(file, folders, number < options.masks) for number, file in enumerate(files)]
        for done, (file, outcome, counts, wrong) in enumerate(pool.map(judge, work, chunksize=8), start=1):
            outcomes[outcome] += 1
            for name, count in counts.items():
                totals[name].update(count)
            for line in wrong if options.list else ():
                print(f"{file.name}: {line}")
            if done % 100 == 0:
                print(f"\r{done} of {len(files)} schemas", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()))
    print(f"\n| tokenizer | {' | '.join(COLUMNS)} |\n|---|{'---:|' * len(COLUMNS)}")
    for name, count in totals.items():
        print(f"| {name} | {' | '.join(str(count[column]) for column in COLUMNS)} |")


def judge(work: tuple[Path, list[Path], bool]) -> tuple[Path, str, dict[str, Counter[str]], list[str]]:
    """(file, what became of its schema, counts per tokenizer, instances judged wrongly)."""
    file, folders, masks = work
    case = json.loads(file.read_text())
    try:
        automaton = compile_grammar(parse_json_schema(case["schema"]))
    except GrammarError as error:
        return file, type(error).__name__, {}, []
    counts: dict[str, Counter[str]] = {}
    wrong: list[str] = []
    for folder in folders:
        tokenizer, vocabulary = load(folder)
        constraint = align(automaton, vocabulary)
        count = counts[folder.name] = Counter()
        for number, test in enumerate(case["tests"]):
            found = spelled(constraint, tokenizer, test["data"], masks, count)
            if not found and test["valid"]:
                found = spelled(constraint, tokenizer, ordered(constraint, test["data"]), masks, count)
                count["reordered"] += found
            count[("valid" if test["valid"] else "invalid") + (" accepted" if found else " refused")] += 1
            if found is not test["valid"]:
                wrong.append(f"instance {number} ({'valid' if test['valid'] else 'invalid'}) with {folder.name}")
    return file, "compile", counts, wrong


@cache
def load(folder: Path) -> tuple[Tokenizer, Vocabulary]:
    return Tokenizer.from_file(str(folder / "tokenizer.json")), Vocabulary.from_tokenizer(folder)


def spelled(constraint: Constraint, tokenizer: Tokenizer, data: Any, masks: bool, count: Counter[str]) -> bool:
    """Whether the instance, as the tokenizer spells it, is accepted."""
    text = json.dumps(data, ensure_ascii=False)
    state = constraint.start
    for token in tokens_of(constraint.vocabulary, tokenizer, text):
        after = constraint.try_advance(state, token)
        if masks and bit(constraint, state, token) is not (after is not None):
            count["mask differs"] += 1
        if after is None:
            return False
        state = after
    if masks and bit(constraint, state, constraint.vocabulary.eos_token_ids[0]) is not constraint.is_accepting(state):
        count["mask differs"] += 1
    return constraint.is_accepting(state)


def tokens_of(vocabulary: Vocabulary, tokenizer: Tokenizer, text: str) -> list[int]:
    """The tokenizer's own tokens where they spell the text, else (SentencePiece's leading space) the longest ones."""
    try:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        if vocabulary.decode(ids) == text.encode():
            return ids
        data = text.encode()
    except (TypeError, UnicodeEncodeError):  # a lone surrogate in the instance: no tokenizer and no mask has it
        data = text.encode("utf-8", "surrogatepass")
    return vocabulary.greedy(data) or []


def bit(constraint: Constraint, state: Any, token: int) -> bool:
    return bool(int(constraint.mask(state)[token >> 5]) >> (token & 31) & 1)


def ordered(constraint: Constraint, data: Any) -> Any:
    """The instance with the keys of its objects in an order that the language has; as it is when none is found.

    States are values, so the search for an order keeps the state before each key and goes back to it.
    """
    singles = {data: token for token, data in enumerate(constraint.vocabulary.tokens) if len(data) == 1}

    def read(state: Any, text: str) -> Any:
        for byte in text.encode("utf-8", "surrogatepass"):
            state = None if state is None else constraint.try_advance(state, singles[bytes([byte])])
        return state

    def write(state: Any, value: Any) -> Iterator[tuple[Any, Any]]:
        """(state after the value, the value in that order), for every order that the language allows."""
        if state is None or next(steps, None) is None:
            return
        if isinstance(value, dict):
            yield from entries(read(state, "{"), dict(value), {})
        elif isinstance(value, list):
            yield from items(read(state, "["), value, [])
        else:
            yield read(state, json.dumps(value, ensure_ascii=False)), value

    def entries(state: Any, left: dict[str, Any], done: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
        if not left:
            yield read(state, "}"), done
        comma = ", " if done else ""
        begun = {key: after for key in left if (after := read(state, comma + quoted(key))) is not None}
        for key, at in begun.items():
            rest = {other: left[other] for other in left if other != key}
            for after, written in write(at, left[key]):
                # The next key in the language's order is mostly one behind which all others of now are still possible.
                others = (read(after, ", " + quoted(other)) is not None for other in begun if other != key)
                if after is not None and (not careful or all(others)):
                    yield from entries(after, rest, {**done, key: written})

    def quoted(key: str) -> str:
        return json.dumps(key, ensure_ascii=False) + ": "

    def items(state: Any, left: list[Any], done: list[Any]) -> Iterator[tuple[Any, Any]]:
        if not left:
            yield read(state, "]"), done
        else:
            for after, written in write(read(state, ", ") if done else state, left[0]):
                if after is not None:
                    yield from items(after, left[1:], [*done, written])

    for careful in (True, False):  # noqa: B007  (`entries` reads it)
        steps = iter(range(20_000))
        for after, written in write(constraint.start, data):
            if after is not None and constraint.is_accepting(after):
                return written
    return data


if __name__ == "__main__":
    main()
