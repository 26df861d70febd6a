"""constrain_batching inside transformers' own continuous batching; it refuses managers in which masks would be lost."""

from __future__ import annotations

import random
import re
from types import SimpleNamespace
from typing import Any

import pytest
import transformers
from tiny_models import byte_tokenizer, tiny_byte_model

import gcd
from gcd.errors import UnsupportedFeature

batching = pytest.importorskip(
    "transformers.generation.continuous_batching", reason="this transformers has no continuous batching"
)

from gcd.integrations.continuous_batching import constrain_batching  # noqa: E402

PATTERNS = ("[0-9]{4}", "a+b", "yes|no", "(xy)*z")


def manager(**settings: Any) -> Any:
    config = transformers.GenerationConfig(do_sample=True, eos_token_id=[257, 258], pad_token_id=0, max_new_tokens=8)
    options = {
        "use_cuda_graph": False,
        "use_async_batching": False,
        "num_blocks": 64,
        "max_batch_tokens": 64,
        **settings,
    }
    batching_config = transformers.generation.configuration_utils.ContinuousBatchingConfig(**options)
    return tiny_byte_model().init_continuous_batching(config, batching_config)


@pytest.mark.filterwarnings("ignore")
def test_each_request_is_inside_its_own_constraint() -> None:
    seed = random.randrange(2**32)
    draw = random.Random(seed)
    transformers.set_seed(seed)
    made = constrain_batching(manager())
    constraints = {
        pattern: gcd.compile(regex=pattern, tokenizer=byte_tokenizer(), eos_token_ids=[257, 258])
        for pattern in PATTERNS
    }
    wishes = {str(number): draw.choice([*PATTERNS, None]) for number in range(12)}
    made.start()
    try:
        for name, pattern in wishes.items():
            prompt = [256, *draw.choices(range(97, 123), k=draw.randrange(1, 9))]
            given = {} if pattern is None else {"constraint": constraints[pattern]}
            made.add_request(prompt, request_id=name, max_new_tokens=8, **given)
        done = {}
        while len(done) < len(wishes):
            output = made.get_result(timeout=120)
            assert output is not None, f"seed {seed}: no answer"
            assert output.error is None, f"seed {seed}: {output.error}"
            done[output.request_id] = output.generated_tokens
    finally:
        made.stop(block=True)
    for name, pattern in wishes.items():
        if pattern is not None:
            assert done[name][-1] in (257, 258), f"seed {seed}: {pattern} has no end"
            assert re.fullmatch(pattern, bytes(done[name][:-1]).decode()), f"seed {seed}"


@pytest.mark.filterwarnings("ignore")
def test_managers_that_would_lose_masks_are_refused() -> None:
    hint = "ContinuousBatchingConfig(use_cuda_graph=False, use_async_batching=False) has neither."
    with pytest.raises(UnsupportedFeature) as caught:
        constrain_batching(manager(use_async_batching=True))
    assert str(caught.value) == f"masks do not go with CUDA graphs or asynchronous batching\n{hint}"
    with pytest.raises(
        UnsupportedFeature, match=r"^this is no manager of continuous batching as transformers 5.24 has"
    ):
        constrain_batching(SimpleNamespace())
    running = manager()
    running.is_running = lambda: True
    with pytest.raises(UnsupportedFeature) as caught:
        constrain_batching(running)
    assert str(caught.value) == "the manager runs already\nCall constrain_batching before manager.start()."
