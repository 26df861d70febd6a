"""Records to token ids: trains the tokenizer of the embedded diffusion model and writes all that train.py reads.

    python bench/demo_diffusion/prepare.py [--records 300000] [--vocabulary 2048] [--out bench/demo_diffusion/data]

Writes tokenizer.json, and data.npz with prompts and answers as token ids one after the other, where each ends, and the
300 held-out records, none of which is among the others. The seeds are fixed: the same files come out each time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
from records import Record, records
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

EOS, MASK = "<|endoftext|>", "<|mask|>"
TRAINING_SEED, HELD_OUT_SEED, HELD_OUT = 0, 1, 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--vocabulary", type=int, default=2048)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data")
    options = parser.parse_args()
    held_out = [*islice(records(HELD_OUT_SEED), HELD_OUT)]
    kept_back = {record.prompt for record in held_out}
    made = [*islice((record for record in records(TRAINING_SEED) if record.prompt not in kept_back), options.records)]
    tokenizer = train_tokenizer(made[:20_000], options.vocabulary)
    options.out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(options.out / "tokenizer.json"))
    prompts, prompt_ends = token_ids(tokenizer, (record.prompt for record in made))
    answers, answer_ends = token_ids(tokenizer, (record.answer for record in made))
    held_prompts, held_prompt_ends = token_ids(tokenizer, (record.prompt for record in held_out))
    held_answers, held_answer_ends = token_ids(tokenizer, (record.answer for record in held_out))
    special = np.array([tokenizer.get_vocab_size(), tokenizer.token_to_id(EOS), tokenizer.token_to_id(MASK)], np.int32)
    np.savez_compressed(
        options.out / "data.npz", special=special, prompts=prompts, prompt_ends=prompt_ends, answers=answers,
        answer_ends=answer_ends, held_prompts=held_prompts, held_prompt_ends=held_prompt_ends,
        held_answers=held_answers, held_answer_ends=held_answer_ends,
    )  # fmt: skip
    longest = [int(np.diff(ends, prepend=0).max()) for ends in (prompt_ends, answer_ends)]
    print(f"{len(made)} records, {tokenizer.get_vocab_size()} tokens; at most {longest[0]} + {longest[1]} a record")


def train_tokenizer(made: Iterable[Record], size: int) -> Tokenizer:
    """A byte-level BPE in which every digit is a token, so that numbers are copied digit by digit."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r" ?[0-9]| ?[A-Za-z]+| ?[^\sA-Za-z0-9]+|\s+"), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[EOS, MASK], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator((text for record in made for text in (record.prompt, record.answer)), trainer)
    return tokenizer


def token_ids(tokenizer: Tokenizer, texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """The token ids of all texts one after the other, and where each ends."""
    ids = [encoding.ids for encoding in tokenizer.encode_batch([*texts])]
    return np.array([token for one in ids for token in one], np.uint16), np.cumsum([len(one) for one in ids])


if __name__ == "__main__":
    main()
