"""A chat model: a list of messages goes through its chat template, a str never does."""

from enum import Enum

from pydantic import BaseModel

import gcd


class Colour(Enum):
    RED = "red"
    GREEN = "green"
    BLUE = "blue"


class Thing(BaseModel):
    name: str
    colour: Colour


messages = [
    {"role": "system", "content": "You answer with JSON."},
    {"role": "user", "content": "Name a thing that is green."},
]
print(gcd.generate("smollm2", messages, schema=Thing, temperature=0).value)
