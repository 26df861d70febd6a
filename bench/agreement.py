"""Whether the masks of this library and of llguidance are equal as sets of tokens, and why not where they are not.

    pip install -e '.[bench]'
    python bench/agreement.py --data MASKBENCH --tokenizer TOKENIZER \\
        [--sample 150] [--walks 1] [--whitespace json] [--timeout 30] [--list N] [--json FILE] [--readme]

MASKBENCH and TOKENIZER as in `maskbench.py`. Both engines walk the valid instances of each schema that both compile,
token by token, and `--walks` random texts of tokens that both allow, since instances visit few of the states where
numbers, escapes and formats differ. At every step the two masks are compared; equal pairs of masks in one state of a
schema count once. `reasons.py` says how a token that only one mask holds is explained, and who is right.

llguidance has its defaults but for two options: `\\uXXXX` for any character, and the whitespace of `--whitespace`.
Where the text can go on in one way only it offers nothing but the tokenizer's own spelling; tokens that it offers when
told not to force (`no_forcing`) are counted under that reason.

A schema that takes longer than `--timeout` seconds is left where it stands. `--list N` names the first N differences of
each reason on stderr. `--readme` writes the report into `bench/README.md`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reasons import GCD, LLGUIDANCE, UNEXPLAINED, WHITESPACE, Finding, Judge, Peer, Place, tokens_in

import gcd
from gcd.errors import GrammarError

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- begin of the agreement -->\n", "<!-- end of the agreement -->\n"
FORCED = "forced text: llguidance offers one spelling"
STEPS = 60  # tokens of a random text


def main() -> None:
    options = parse_arguments()
    os.environ.update(TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
    files = sorted(options.data.glob("*.json"))
    if options.sample:
        files = [files[number * len(files) // options.sample] for number in range(min(options.sample, len(files)))]
    found = compare(files, options)
    report = found.markdown(options)
    print(report)
    if options.json:
        options.json.write_text(json.dumps(found.to_json(), indent=1))
    if options.readme:
        text = README.read_text()
        before, _, rest = text.partition(BEGIN)
        README.write_text(f"{before}{BEGIN}\n{report}\n\n{END}{rest.partition(END)[2]}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="MASKBENCH", required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="N schemas, evenly spread; 0 for all")
    parser.add_argument("--walks", type=int, default=1, metavar="N", help="random texts for each schema")
    parser.add_argument("--whitespace", choices=tuple(WHITESPACE), default="json", help="between the tokens of JSON")
    parser.add_argument("--timeout", type=float, default=30, help="seconds for one schema")
    parser.add_argument("--list", type=int, default=0, metavar="N", help="name N differences of each reason, on stderr")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the counts")
    parser.add_argument("--readme", action="store_true", help="write the report into bench/README.md")
    return parser.parse_args()


@dataclass(slots=True)
class Row:
    """All differences of one reason with one verdict."""

    states: set[object] = field(default_factory=set)
    tokens: Counter[str] = field(default_factory=Counter)
    schemas: set[str] = field(default_factory=set)
    examples: list[tuple[str, str, str, str]] = field(default_factory=list)  # schema, text so far, token, side


@dataclass(slots=True)
class Found:
    """What the comparison has counted."""

    outcomes: Counter[str] = field(default_factory=Counter)
    rows: dict[Finding, Row] = field(default_factory=dict)

    def note(self, finding: Finding, side: str, *, schema: str, text: bytes, tokens: Sequence[bytes]) -> None:
        """Counts tokens that one engine allows behind a text, in a state that was not met before."""
        row = self.rows.setdefault(finding, Row())
        row.states.add((schema, text))
        row.tokens[side] += len(tokens)
        row.schemas.add(schema)
        row.examples.append((schema, shown(text), shown(min(tokens, key=len)), side))

    def markdown(self, options: argparse.Namespace) -> str:
        """The report: what was run, then a row for each reason and verdict."""
        from importlib.metadata import version

        about = ", ".join(f"{name} {version(name)}" for name in ("gcd-decoding", "llguidance", "jsonschema"))
        count = self.outcomes
        lines = [
            f"{about}; tokenizer {options.tokenizer.name}, whitespace {options.whitespace}, random texts a schema: "
            f"{options.walks}. {count['schemas']} schemas, {count['compared']} compile in both. {count['states']:,} "
            f"states, met {count['steps']:,} times: in {count['equal']:,} the masks are equal, in "
            f"{count['differing']:,} they are not; {count['examined']:,} differences examined. "
            f"{count['texts left for lack of time']} texts were left after {options.timeout:g} s for their schema.",
            "",
            "| reason | who is right, by which check | schemas | states | only gcd | only llguidance | for example |",
            "|---|---|---:|---:|---:|---:|---|",
        ]
        for finding, row in sorted(self.rows.items(), key=lambda item: (-len(item[1].states), item[0].reason)):
            schema, text, token, _ = row.examples[0]
            lines.append(
                f"| {finding.reason} | {finding.right}: {finding.check} | {len(row.schemas)} | {len(row.states):,} | "
                f"{row.tokens[GCD]:,} | {row.tokens[LLGUIDANCE]:,} | {code(token)} behind {code(text)} ({schema}) |"
            )
        unexplained = sum(len(row.states) for finding, row in self.rows.items() if finding.reason == UNEXPLAINED)
        return "\n".join([*lines, "", f"Unexplained: {unexplained}."])

    def to_json(self) -> dict[str, Any]:
        rows = (
            asdict(finding)
            | {"schemas": sorted(row.schemas), "states": len(row.states)}
            | {"tokens": row.tokens, "examples": row.examples[:20]}
            for finding, row in self.rows.items()
        )
        return {"outcomes": self.outcomes, "rows": list(rows)}


def shown(data: bytes) -> str:
    """Bytes as they may stand in a table, the last 40 of them."""
    text = data[-40:].decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def code(text: str) -> str:
    """Text as code in a cell of a table."""
    if not text:
        return "nothing"
    return (f"`` {text} ``" if "`" in text else f"`{text}`").replace("|", r"\|")


# -- the walk ----------------------------------------------------------------------------------------------------------


def compare(files: Sequence[Path], options: argparse.Namespace) -> Found:
    """Both engines on the instances of some MaskBench files, and on random texts."""
    from engines import LLGuidance
    from instances import tokens_of
    from tokenizers import Tokenizer

    from tokenizer_align.vocabulary import Vocabulary

    vocabulary = Vocabulary.from_tokenizer(options.tokenizer)
    tokenizer = Tokenizer.from_file(str(options.tokenizer / "tokenizer.json"))
    engine = LLGuidance(options.tokenizer, list(vocabulary.eos_token_ids))
    peer = Peer(engine, list(vocabulary.tokens), options.whitespace)
    found = Found()
    for number, file in enumerate(files):
        print(f"\r{number} of {len(files)} schemas, {file.stem[:50]:50}", end="", file=sys.stderr, flush=True)
        found.outcomes["schemas"] += 1
        read = json.loads(file.read_text())
        schema = read["schema"]
        try:
            constraint = gcd.compile(schema=schema, tokenizer=vocabulary, whitespace=options.whitespace)
            forcing, matcher = peer.matcher(schema, forcing=True), peer.matcher(schema, forcing=False)
        except (GrammarError, ValueError):
            continue
        found.outcomes["compared"] += 1
        judge = Judge(schema, constraint, peer, matcher, options.whitespace)
        pair = Pair(file.stem, judge, forcing, found, time.monotonic() + options.timeout)
        for test in read["tests"]:
            if test["valid"]:
                pair.follow(tokens_of(vocabulary, tokenizer, json.dumps(test["data"], ensure_ascii=False)))
        for walk in range(options.walks):
            pair.wander(random.Random(f"{file.stem} {walk}"))
    print(file=sys.stderr)
    for finding, row in found.rows.items():
        for example in row.examples[: options.list]:
            print(finding, *example, sep="\n    ", file=sys.stderr)
    return found


@dataclass(slots=True)
class Pair:
    """The masks of one schema in both engines."""

    name: str
    judge: Judge
    forcing: Any
    found: Found
    until: float = math.inf  # of time.monotonic()
    seen: set[object] = field(default_factory=set)
    known: dict[object, Finding] = field(default_factory=dict)

    def start(self) -> Place:
        return Place(b"", self.judge.constraint.start, self.forcing.deep_copy(), self.judge.matcher.deep_copy())

    def follow(self, token_ids: Iterable[int]) -> None:
        """Compares along a text, up to where an engine refuses it."""
        place = self.start()
        self.compare(place)
        for token in token_ids:
            if not self.advance(place, token):
                return
            self.compare(place)

    def wander(self, rng: random.Random) -> None:
        """Compares along a random text of tokens that both allow: half the time short ones, so that strings end."""
        place, tokens = self.start(), self.judge.constraint.vocabulary.tokens
        for _ in range(STEPS):
            both = [token for token in tokens_in(self.compare(place)) if tokens[token]]
            telling = [token for token in both if len(tokens[token]) == 1 and not tokens[token].isspace()]
            closing = [token for token in telling if tokens[token] in (b'"', b"}", b"]", b",", b":", b"\\", b"/", b".")]
            choices = rng.choice([both, telling, closing, closing]) or both
            if not choices or not self.advance(place, rng.choice(choices)):
                return

    def advance(self, place: Place, token: int) -> bool:
        """One token on, in place; False when one of the engines does not go."""
        if time.monotonic() > self.until:
            self.found.outcomes["texts left for lack of time"] += 1
            return False
        after = self.judge.constraint.try_advance(place.state, token)
        if after is None or self.judge.constraint.is_terminated(after):
            return False
        if not (place.matcher.consume_token(token) and place.forcing.consume_token(token)):
            return False
        place.state, place.text = after, place.text + self.judge.constraint.vocabulary.tokens[token]
        return True

    def compare(self, place: Place) -> Any:
        """The tokens that both allow; what differs is explained once for each state."""
        engine, outcomes = self.judge.peer.engine, self.found.outcomes
        ours = self.judge.constraint.mask(place.state)
        forced, free = engine.mask(place.forcing).copy(), engine.mask(place.matcher).copy()
        outcomes["steps"] += 1
        key = place.state, forced.tobytes(), free.tobytes()
        if key not in self.seen:
            self.seen.add(key)
            outcomes["states"] += 1
            outcomes["equal" if (ours == forced).all() else "differing"] += 1
            self.explain(place, ours & free & ~forced, side=GCD, reason=FORCED)
            self.explain(place, forced & ~free, side=LLGUIDANCE, reason=UNEXPLAINED)
            self.explain(place, ours & ~free, side=GCD)
            self.explain(place, free & ~ours, side=LLGUIDANCE)
        return ours & free

    def explain(self, place: Place, row: Any, *, side: str, reason: str | None = None) -> None:
        """Notes why each of some tokens is in one mask only; those that part the engines at the same byte together."""
        vocabulary = self.judge.constraint.vocabulary
        tokens = list(tokens_in(row))
        if not tokens:
            return
        if reason is not None:
            finding = Finding(reason, "both", "llguidance without forcing allows it")
            self.note(finding, side, place, tokens=[vocabulary.tokens[token] for token in tokens])
            return
        ends = [token for token in tokens if not vocabulary.tokens[token]]
        if ends:
            finding = Finding(UNEXPLAINED, "?", "the end, or a special token")
            self.note(finding, side, place, tokens=[b""])
        for read, group in self.partings(side, place, tokens=[vocabulary.tokens[token] for token in tokens]):
            shortest = min(group, key=len)
            # The same byte behind an equal state of this library's is taken to be the same difference.
            key = side, shortest[read : read + 1] or shortest, self.judge.behind(place.state, shortest[:read])
            if key not in self.known:
                self.known[key] = self.judge.finding(side, place, data=shortest, read=read)
                self.found.outcomes["examined"] += 1
            finding = self.known[key]
            self.note(finding, side, place, tokens=group)

    def note(self, finding: Finding, side: str, place: Place, *, tokens: Sequence[bytes]) -> None:
        self.found.note(finding, side, schema=self.name, text=place.text, tokens=tokens)

    def partings(self, side: str, place: Place, *, tokens: Iterable[bytes]) -> Iterator[tuple[int, list[bytes]]]:
        """Tokens by the bytes up to where they part the engines: how many of these the other reads, and the tokens."""
        prefix: bytes | None = None
        read, group = 0, list[bytes]()
        for data in sorted(filter(None, tokens)):
            if prefix is None or not data.startswith(prefix):
                if group:
                    yield read, group
                read = self.judge.parting(side, place, data=data)
                prefix, group = data[: read + 1], []
                if read == len(data):  # no byte parts them: a token of its own
                    yield read, [data]
                    prefix = None
                    continue
            group.append(data)
        if group:
            yield read, group


if __name__ == "__main__":
    main()
