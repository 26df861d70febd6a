"""open_target: a prompt, a constraint and a model -> Target; what is known of it already may be given.

Place in the walk: what `gcd.run` and `gcd.run_samples` call before a method draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gcd.errors import InvalidTrie
from gcd.models.kv_tree import open_tree
from gcd.sampling.aligned.methods import Target
from gcd.sampling.aligned.rows import Rows
from gcd.sampling.aligned.store import check_model
from gcd.sampling.aligned.trie import Along, SampleTrie, Where

if TYPE_CHECKING:
    from gcd.models.protocols import LanguageModel
    from gcd.sampling.logits import Warp
    from tokenizer_align.constraint import Constraint

__all__ = ["open_target"]


def open_target(
    model: LanguageModel, prompt_ids: Sequence[int], constraint: Constraint, *, budget: int, warp: Warp,
    where: Where | None = None, along: Along | None = None, trie: SampleTrie | None = None,
) -> Target:  # fmt: skip
    """The law to draw from. Raises InvalidTrie for a trie of another law, naming what differs."""
    fresh = SampleTrie(constraint, budget=budget, prompt_ids=tuple(prompt_ids), warp=warp, where=where, along=along)
    rows = Rows(open_tree(model, prompt_ids), warp, constraint.vocabulary)
    if trie is not None:
        _check(trie, fresh)
        check_model(trie, rows)
    return Target(fresh if trie is None else trie, rows)


def _check(given: SampleTrie, wanted: SampleTrie) -> None:
    same = {
        "grammar or tokenizer (give constraint=trie.constraint)": given.constraint is wanted.constraint,
        "prompt": given.prompt_ids == wanted.prompt_ids,
        "max_new_tokens": given.budget == wanted.budget,
        "temperature, top_k, top_p or min_p": given.warp == wanted.warp,
        "where": given.where == wanted.where,
        "along or canonical": given.along == wanted.along,
    }
    if others := [name for name, equal in same.items() if not equal]:
        raise InvalidTrie(f"trie= was made for another {' and another '.join(others)}: what it knows is not true here")
