"""One of a few texts: the value is the text that was chosen, with its probability under the model."""

import math

import gcd

REVIEWS = [
    "Review: The battery lasts for days and the screen is gorgeous.\nSentiment:",
    "Review: It broke after a week and nobody answered my mails.\nSentiment:",
]

for review, generation in zip(
    REVIEWS, gcd.generate("smollm2", REVIEWS, choices=[" positive", " negative"], temperature=0), strict=True
):
    print(review, generation.value, f"({math.exp(generation.logprob):.2f})")
