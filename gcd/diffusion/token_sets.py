"""Token sets: sets of tokens as unions of disjoint atoms, so that sums over many sets cost one pass over the tokens.

Place in the walk: token classes -> **TokenSets** -> weights of a block. Two tokens that are in the same sets are in
one atom: of the sets {a, b, c}, {b, c} and {d} the atoms are {a}, {b, c} and {d}. A sum over the vocabulary gives the
sums of the atoms, and sums of atoms give those of the sets, each once however many edges have it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tokenizer_align.class_kernels import group
from tokenizer_align.jit import kernel

__all__ = ["TAIL", "Partition", "TokenSets"]

Int32 = NDArray[np.int32]

TAIL = 0
"""The number of the set that stands for whatever is behind the end of a text."""


@dataclass(frozen=True, eq=False, repr=False)
class Partition:
    """A atoms and S sets, by number; set `TAIL` has no tokens."""

    tokens: Int32  # (n,) the ids of all tokens in sets, by atom
    atom_start: Int32  # (A + 1,) where the tokens of an atom begin
    set_atoms: Int32  # (m,) atoms, by set
    set_start: Int32  # (S + 1,)
    atom_of: Int32  # (V,) the atom of a token, A where it is in no set

    @property
    def num_atoms(self) -> int:
        return len(self.atom_start) - 1

    @property
    def num_sets(self) -> int:
        return len(self.set_start) - 1

    @cached_property
    def _members(self) -> dict[int, Int32]:
        return {}

    def members(self, number: int) -> Int32:
        """The ids of the tokens of a set, ascending."""
        known = self._members.get(number)
        if known is None:
            atoms = self.set_atoms[self.set_start[number] : self.set_start[number + 1]].tolist()
            parts = [self.tokens[self.atom_start[a] : self.atom_start[a + 1]] for a in atoms]
            known = self._members[number] = np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.int32)
        return known


class TokenSets:
    """The sets met so far over V tokens; equal ones are one number."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._numbers: dict[bytes, int] = {}
        self._label = np.zeros(size, np.int32)  # the atom of each token, 0 while it is in no set
        self._count = np.zeros(size + 2, np.int32)  # the tokens of each atom
        self._count[0] = size
        self._scratch = np.zeros((2, size + 2), np.int32)
        self._atoms = 1
        self._sets: list[Int32] = [np.zeros(0, np.int32)]  # the atoms of each set when it was added
        self._splits: list[tuple[Int32, Int32]] = [
            (np.zeros(0, np.int32),) * 2
        ]  # atoms that it split, and what came off
        self._partition: Partition | None = None

    def __len__(self) -> int:
        return len(self._sets)

    def number(self, token_ids: Int32) -> int:
        """The number of a set, given as ids in an order that is the same whenever it is given."""
        key = hashlib.blake2b(token_ids.tobytes(), digest_size=16).digest()
        known = self._numbers.get(key)
        if known is not None:
            return known
        labels, before = self._label, self._atoms
        self._atoms = split(token_ids, labels, self._count, self._scratch, before)
        new = np.arange(before, self._atoms, dtype=np.int32)
        split_from = self._scratch[1, before : self._atoms].copy()
        self._splits.append((split_from[split_from > 0], new[split_from > 0]))
        self._sets.append(np.unique(labels[token_ids]))
        self._numbers[key] = len(self._sets) - 1
        self._partition = None
        return len(self._sets) - 1

    def partition(self) -> Partition:
        """The atoms of all sets so far."""
        if self._partition is None:
            parts: list[list[int]] = [[atom] for atom in range(self._atoms)]  # what has become of an atom since
            final: list[Int32] = []
            for atoms, (old, new) in zip(reversed(self._sets), reversed(self._splits), strict=True):
                # the set holds its atoms as they were behind its own splits
                final.append(np.array([p for atom in atoms.tolist() for p in parts[atom]], np.int32) - 1)
                for of, off in zip(old.tolist(), new.tolist(), strict=True):
                    parts[of] = parts[of] + parts[off]
            final.reverse()
            starts = np.zeros(len(final) + 1, np.int32)
            np.cumsum([len(atoms) for atoms in final], out=starts[1:])
            atom_start, tokens = np.zeros(self._atoms, np.int32), np.zeros(self.size, np.int32)
            group(self._label - 1, np.arange(self.size, dtype=np.int32), atom_start, tokens)
            atom_of = np.where(self._label > 0, self._label - 1, self._atoms - 1).astype(np.int32)
            self._partition = Partition(
                tokens[: atom_start[-1]].copy(), atom_start, np.concatenate(final), starts, atom_of
            )
        return self._partition


@kernel
def split(token_ids: Int32, labels: Int32, counts: Int32, scratch: Int32, atoms: int) -> int:
    """Splits the atoms that a set cuts in two: what is inside gets new numbers. Returns the number of atoms.

    `scratch` (2, V + 2) holds, in row 0, zeros, and in row 1 what each new atom came from; atom 0 is always cut.
    """
    hits, origin = scratch[0], scratch[1]
    for token in token_ids:
        hits[labels[token]] += 1
    for token in token_ids:  # an atom that is cut has its new number in `hits`, as a negative one
        label = labels[token]
        if hits[label] > 0 and (label == 0 or hits[label] < counts[label]):
            origin[atoms] = label
            counts[atoms] = 0
            hits[label] = -atoms
            atoms += 1
        if hits[label] < 0:
            labels[token] = -hits[label]
            counts[label] -= 1
            counts[labels[token]] += 1
    for token in token_ids:
        hits[labels[token]] = 0
        hits[origin[labels[token]]] = 0
    return atoms
