"""Functions of pydantic's own that decide what a type takes, which its core schema does not say.

Place in the walk: a function in a core schema -> the JSON Schema of the texts that it takes. Functions of the user are
not known: the schema says what surrounds them, and they have the last word on the finished value.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Mapping

from pydantic.types import Base64Encoder, Base64UrlEncoder, EncodedBytes, EncodedStr

from grammars.frontends.python_types import networks
from grammars.frontends.python_types.scalars import base64_body, text
from grammars.frontends.python_types.walk import Schema

__all__ = ["known_texts"]


def known_texts(function: object) -> Schema | None:
    """What a function of pydantic's own takes; None for those that are not known, and for all others.

    known_texts(EmailStr._validate)   # {"type": "string", "pattern": "^[A-Za-z0-9]+..."}
    """
    if not getattr(function, "__module__", "").startswith("pydantic."):
        return None
    owner = getattr(function, "__self__", None)
    if isinstance(owner, EncodedBytes | EncodedStr):  # that the bytes of an EncodedStr are UTF-8 is checked at the end
        letters = BASE64.get(owner.encoder)
        return None if letters is None else text(base64_body(letters))
    known = KNOWN.get(getattr(function, "__qualname__", ""))
    return None if known is None else known()


def _time_zones() -> Schema:
    """The names of the time zones that this system knows: a `ZoneInfo` is read by its name."""
    return {"enum": sorted(zoneinfo.available_timezones())}


KNOWN: Mapping[str, Callable[[], Schema]] = {
    "ByteSize._validate": lambda: {"type": "integer", "minimum": 0},
    "EmailStr._validate": lambda: text(networks.EMAIL),
    "NameEmail._validate": lambda: text(networks.EMAIL),
    "IPvAnyAddress._validate": lambda: text(f"(?:{networks.IPV4}|{networks.IPV6})"),
    "IPvAnyInterface._validate": lambda: text(
        f"(?:{networks.IPV4}{networks.PREFIX_32}|{networks.IPV6}{networks.PREFIX_128})"
    ),
    "IPvAnyNetwork._validate": lambda: text(f"(?:{networks.ipv4_network_body()}|{networks.ipv6_network_body()})"),
    "validate_str_is_valid_iana_tz": _time_zones,
}
"""The qualified name of a function -> what it takes."""

BASE64: Mapping[object, str] = {Base64Encoder: "+/", Base64UrlEncoder: "_-"}
"""An encoder -> the last two of its 64 characters."""
