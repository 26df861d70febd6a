"""A request's sampling parameters -> what it wants of its text, or what is wrong with that.

They come as `SamplingParams.extra_args`, over HTTP as `vllm_xargs`: `gcd_schema`, `gcd_regex`, `gcd_grammar`,
`gcd_choices` or `gcd_structural_tag`, and `gcd_whitespace` beside them. A request without any is none of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gcd.compile import check_wanted
from gcd.parse import Wanted, parse_wanted

if TYPE_CHECKING:
    from vllm import SamplingParams

__all__ = ["PREFIX", "check", "read"]

PREFIX = "gcd_"
NAMES = ("schema", "regex", "grammar", "choices", "structural_tag", "whitespace")

CLASHING: dict[str, tuple[Any, ...]] = {
    "ignore_eos": (False,), "min_tokens": (0,), "stop": (None, [], ""), "bad_words": (None, []),
    "allowed_token_ids": (None, []), "structured_outputs": (None,), "thinking_token_budget": (None,),
}  # fmt: skip
"""Parameters that would cut the text, or take away the only tokens that its grammar allows, and what is harmless."""


def read(params: SamplingParams) -> Wanted | None:
    """What a request wants; None where it has no argument of ours. Raises ValueError."""
    extra = params.extra_args or {}
    given = {name.removeprefix(PREFIX): value for name, value in extra.items() if name.startswith(PREFIX)}
    if not given:
        return None
    for name in given:
        if name not in NAMES:
            raise ValueError(f"{PREFIX}{name} is not known: {', '.join(PREFIX + each for each in NAMES)}")
    if "structural_tag" in given:
        from gcd.language import structural_tag

        given["grammar"] = structural_tag(given.pop("structural_tag"))
    try:
        return parse_wanted(**given)
    except TypeError as error:
        raise ValueError(str(error)) from None


def check(params: SamplingParams) -> None:
    """Raises ValueError, for an HTTP 400, where a request of ours cannot be kept to."""
    wanted = read(params)
    if wanted is None:
        return
    for name, harmless in CLASHING.items():
        if getattr(params, name, None) not in harmless:
            raise ValueError(f"{name} does not go with {PREFIX}{wanted.kind}: the text could not be what was asked for")
    report, _ = check_wanted(wanted)
    if report.error is not None:
        raise ValueError(f"{PREFIX}{wanted.kind}: {report.error}")
