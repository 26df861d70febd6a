"""The arguments of an annotated function. The function is never called for you: you call it."""

from typing import Literal

import gcd


def weather(city: Literal["Paris", "London", "Tokyo"], unit: Literal["celsius", "fahrenheit"] = "celsius") -> str:
    return f"It is 18 degrees {unit} in {city}."


generation = gcd.generate("smollm2", "User: What is the weather in Tokyo?\nCall: ", schema=weather, temperature=0)
print(generation.value)
print(weather(**generation.value))
