"""A person as a validated object: what `make demo` runs.

The model is SmolLM2-135M-Instruct, the embedded one. It is small and not wise; the shape of what it says is exact.
"""

import time

from pydantic import BaseModel, Field

import gcd


class Person(BaseModel):
    name: str = Field(min_length=1, max_length=60)
    age: int = Field(ge=0, le=150)
    city: str = Field(min_length=1, max_length=60)


PROMPT = """\
Grace Hopper, 85, Arlington -> {"name": "Grace Hopper", "age": 85, "city": "Arlington"}
Ada Lovelace, 36, London -> """

if __name__ == "__main__":
    model = gcd.load("smollm2")
    gcd.compile(schema=Person, tokenizer=model)  # generate() would do it; here only so that the speed is the model's
    begun = time.perf_counter()
    generation = gcd.generate(model, PROMPT, schema=Person, temperature=0)
    seconds = time.perf_counter() - begun

    print("prompt:", PROMPT, sep="\n")
    print("JSON:   ", generation.text)
    print("object: ", repr(generation.value))
    print(f"speed:   {len(generation.token_ids) / seconds:.1f} tokens/s ({len(generation.token_ids)} tokens)")
