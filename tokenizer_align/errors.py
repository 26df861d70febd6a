"""What can go wrong between a grammar and a tokenizer.

AlignmentError
├── UnsupportedTokenizer   its tokens have no exact bytes (WordPiece, lossy normalisers), or nothing is known of it
├── VocabularyMismatch     the vocabulary lacks bytes or special tokens that the grammar needs, or has another width
├── TokenRejected          a token that is not in the mask was given to `advance`
└── BudgetTooSmall         the number of tokens left does not suffice to end inside the grammar
"""

from __future__ import annotations

__all__ = ["AlignmentError", "BudgetTooSmall", "TokenRejected", "UnsupportedTokenizer", "VocabularyMismatch"]


class AlignmentError(ValueError):
    """The root of the errors between a grammar and a tokenizer."""


class UnsupportedTokenizer(AlignmentError):
    """The tokenizer's tokens have no exact byte strings; the message gives the reason."""


class VocabularyMismatch(AlignmentError):
    """The vocabulary lacks what the grammar or the model needs; the message names it."""


class TokenRejected(AlignmentError):
    """`token_id` is not allowed here.

    `token` holds its bytes (None for a special token or an id outside the vocabulary), `offset` how many of them
    were acceptable, `expected` describes what was allowed instead.
    """

    def __init__(self, token_id: int, token: bytes | None, offset: int, expected: str) -> None:
        self.token_id, self.token, self.offset, self.expected = token_id, token, offset, expected
        what = f"token {token_id}" if token is None else f"token {token_id} ({token!r})"
        stopped = f" stopped at byte {offset}" if token else " is not allowed here"
        super().__init__(f"{what}{stopped}; expected {expected}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.token_id, self.token, self.offset, self.expected)


class BudgetTooSmall(AlignmentError):
    """`budget` tokens (EOS included) do not suffice; `sufficient` do, and fewer than `necessary` never can."""

    def __init__(self, budget: int, necessary: int, sufficient: int) -> None:
        self.budget, self.necessary, self.sufficient = budget, necessary, sufficient
        if budget < necessary:
            message = (
                f"max_new_tokens={budget} is impossible: the shortest text of the grammar needs at least "
                f"{necessary} tokens with EOS; max_new_tokens={sufficient} suffices"
            )
        else:
            message = (
                f"max_new_tokens={budget} may not suffice to finish inside the grammar; "
                f"max_new_tokens={sufficient} does (EOS included)"
            )
        super().__init__(message)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.budget, self.necessary, self.sufficient)
