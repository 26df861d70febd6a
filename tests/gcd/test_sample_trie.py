"""SampleTrie: save and load are inverse, and what is damaged or of another law is refused, whatever was changed."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
from toys import EOS, TOY

import gcd
from gcd.errors import InvalidTrie
from gcd.sampling.aligned.trie import Node

MODEL = gcd.ScriptedLM([0.4, 0.1, 0.1, 0.1, 0.1, 0.2, 0, 0], eos_token_ids=[EOS])
REGEX = "(a|bc?){1,4}"


def sample(n: int = 40, model: object = MODEL, **options) -> gcd.Samples:
    return gcd.sample(model, [4], n, **{"regex": REGEX, "tokenizer": TOY, "max_new_tokens": 6, "seed": 1, **options})


@pytest.fixture(scope="module")
def trie() -> gcd.SampleTrie:
    return sample().trie


@pytest.fixture
def path(trie: gcd.SampleTrie, tmp_path: Path) -> Path:
    trie.save(tmp_path / "a.trie")
    return tmp_path / "a.trie"


def facts(node: Node) -> dict[str, object]:
    """A node and all below it as plain values."""
    names = [n for n in Node.__slots__ if n not in ("parent", "state", "children")]
    own = {name: getattr(node, name) for name in names}
    return {**own, "children": {token: facts(child) for token, child in node.children.items()}}


def test_load_is_the_inverse_of_save(trie, path):
    again = gcd.SampleTrie.load(path, trie.constraint)
    assert len(again) == len(trie) > 30
    assert facts(again.root) == facts(trie.root)
    assert again.log_mass == trie.log_mass
    assert (again.budget, again.prompt_ids, again.warp) == (trie.budget, trie.prompt_ids, trie.warp)


@pytest.mark.parametrize("method", ["cars", "asap"])
def test_a_loaded_trie_draws_what_the_old_one_draws(trie, path, method):
    before = facts(trie.root)
    options = {"method": method, "seed": 9, "constraint": trie.constraint, "regex": None}
    again = gcd.SampleTrie.load(path, trie.constraint)
    found = sample(30, trie=again, **options)
    assert found.samples == sample(30, trie=gcd.SampleTrie.load(path, trie.constraint), **options).samples
    assert facts(trie.root) == before
    new = sample(30, **options)  # without what was learnt
    assert new.log_mass[1] > found.log_mass[1]
    assert new.model_tokens > found.model_tokens


def test_an_empty_trie_is_saved_too(trie, tmp_path):
    gcd.SampleTrie(trie.constraint, budget=6, prompt_ids=(4,)).save(tmp_path / "empty")
    again = gcd.SampleTrie.load(tmp_path / "empty", trie.constraint)
    assert (len(again), again.log_mass[1]) == (1, 0.0)
    assert len(sample(5, trie=again, constraint=trie.constraint, regex=None)) == 5


def refused(path: Path, constraint: gcd.Constraint) -> str:
    with pytest.raises(InvalidTrie) as caught:
        gcd.SampleTrie.load(path, constraint)
    return str(caught.value).replace(str(path), "FILE")


def test_other_laws_are_refused(trie, path):
    others = gcd.Vocabulary([*TOY.tokens, b"x"], eos_token_ids=[EOS])
    assert refused(path, gcd.compile(regex=REGEX, tokenizer=others)) == (
        "FILE was made for another tokenizer: what it knows is not true here"
    )
    for regex in ("(a|bc?){1,5}", "(a|bc?){0,4}", "[abc]{1,5}", "a"):
        assert refused(path, gcd.compile(regex=regex, tokenizer=TOY)) == (
            "FILE was made for another grammar, or is damaged: what it knows is not true here"
        )
    again = gcd.SampleTrie.load(path, trie.constraint)
    other = gcd.ScriptedLM([0.1, 0.4, 0.1, 0.1, 0.1, 0.2, 0, 0], eos_token_ids=[EOS])
    with pytest.raises(InvalidTrie, match=r"^the trie was made with another model: what it knows is not true here$"):
        sample(3, model=other, trie=again, constraint=trie.constraint, regex=None)


def test_what_is_no_trie_is_refused(trie, path, tmp_path):
    assert refused(tmp_path / "none", trie.constraint) == "FILE cannot be read: No such file or directory"
    no_trie = "FILE is no trie that this version wrote, or is damaged"
    for data in (b"", b"hello", path.read_bytes()[:300]):
        (tmp_path / "bad").write_bytes(data)
        assert refused(tmp_path / "bad", trie.constraint) == no_trie
    np.savez(tmp_path / "objects.npz", header=np.array([{"version": 1}], dtype=object))
    assert refused(tmp_path / "objects.npz", trie.constraint) == no_trie


def test_whatever_number_is_changed_it_ends_in_a_trie_or_in_an_error(trie, path, tmp_path):
    """No other exception, no endless loop, and bounds that are none are never made."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays["header"].tobytes())
    rng, refusals = random.Random(3), 0
    for _ in range(150):
        changed = {name: array.copy() for name, array in arrays.items()}
        name = rng.choice([n for n in arrays if n != "header"])
        where = rng.randrange(len(changed[name]))
        old = changed[name][where]
        value = rng.choice([-1, 0, 1, 7, 2**31, old + 1 if changed[name].dtype != np.bool_ else True, np.nan, np.inf])
        with np.errstate(all="ignore"):
            changed[name][where] = np.array(value).astype(changed[name].dtype) if value == value else old
            if value != value and changed[name].dtype == np.float64:
                changed[name][where] = np.nan
        np.savez(tmp_path / "changed.npz", **changed)
        try:
            again = gcd.SampleTrie.load(tmp_path / "changed.npz", trie.constraint)
        except InvalidTrie:
            refusals += 1
        else:
            low, high = again.log_mass
            assert low <= high <= 0 or high == low
    assert refusals > 50
    for changes in ({"version": 9}, {"budget": "6"}, {"prompt": ["a"]}, {"warp": {"temperature": -1}}):
        text = json.dumps({**header, **changes}).encode()
        np.savez(tmp_path / "header.npz", **{**arrays, "header": np.frombuffer(text, np.uint8)})
        assert (
            refused(tmp_path / "header.npz", trie.constraint)
            == "FILE is no trie that this version wrote, or is damaged"
        )


def test_a_trie_with_a_predicate_is_not_written(tmp_path):
    out = sample(5, where=lambda text: len(text) > 1)
    with pytest.raises(InvalidTrie, match=re.escape("made with where= holds for that function alone")):
        out.trie.save(tmp_path / "x")
