"""Addresses of networks as regular expressions: IPv4, IPv6, URLs, mail.

URLs are a part of what the WHATWG parser of pydantic takes: scheme, host name or IPv4 address, port, path, query and
fragment, in the characters of RFC 3986. Names of hosts are ASCII without `--` (behind `xn--`, punycode would have to
decode), and the last label begins with a letter (a number there would make it an IPv4 address). Left out are user
names, and for `file` hosts and ports.
"""

from __future__ import annotations

from collections.abc import Sequence

from grammars.frontends.python_types.alternatives import one_of

__all__ = ["EMAIL", "IPV4", "IPV6", "PREFIX_32", "PREFIX_128", "ipv4_network_body", "ipv6_network_body", "url_body"]

OCTET = one_of(map(str, range(256)))
IPV4 = rf"(?:{OCTET}\.){{3}}{OCTET}"
PREFIX_32 = f"(?:/{one_of(map(str, range(33)))})?"
PREFIX_128 = f"(?:/{one_of(map(str, range(129)))})?"

HEXTET = "[0-9a-fA-F]{1,4}"
IPV6 = "(?:{})".format(
    "|".join(
        [f"(?:{HEXTET}:){{7}}{HEXTET}", f"(?:{HEXTET}:){{1,7}}:", f":(?::{HEXTET}){{1,7}}", "::"]
        + [f"(?:{HEXTET}:){{1,{7 - after}}}(?::{HEXTET}){{1,{after}}}" for after in range(1, 7)]
    )
)
"""Eight groups, or fewer around one `::` that stands for at least one group of zeros (RFC 4291, section 2.2)."""

LABEL = "[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*"
LAST_LABEL = "[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*"
HOST = rf"(?:(?:{LABEL}\.)*{LAST_LABEL}|{IPV4})"
PORT = f"(?::(?:[0-9]{{1,4}}|[1-5][0-9]{{4}}|{one_of(map(str, range(60000, 65536)))}))?"
CHARS = "A-Za-z0-9._~!$&'()*+,;=:@%/-"
REST = rf"(?:/[{CHARS}]*)?(?:\?[?{CHARS}]*)?(?:#[?{CHARS}]*)?"

WITH_PORTS = ("http", "https", "ftp", "ws", "wss")
"""The schemes that the WHATWG standard calls special, without `file`, which has no ports."""

EMAIL = rf"[A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+)*@(?:{LABEL}\.)+[A-Za-z]{{2,}}"
"""A usual mail address: no quotes, no comments, a domain of at least two labels."""


def ipv4_network_body() -> str:
    """IPv4 networks: an address and a prefix length behind which all bits of the address are 0."""
    branches = []
    for length in range(33):
        whole, bits = divmod(length, 8)
        octets = [OCTET] * whole
        if bits:
            octets.append(one_of(str(n) for n in range(0, 256, 2 ** (8 - bits))))
        octets += ["0"] * (4 - len(octets))
        branches.append(r"\.".join(octets) + f"/{length}")
    return f"(?:{'|'.join([IPV4, *branches])})"


def ipv6_network_body() -> str:
    """IPv6 networks: the groups of an address that the prefix length covers, then `::`, or an address by itself."""
    return f"(?:{IPV6}(?:/128)?|::/0|{_ipv6_group(0)})"


def _ipv6_group(index: int) -> str:
    """Networks from their group of that index on: `[0-9a-fA-F]{1,4}::/16`, parts of a group, or more groups."""
    end = "" if index == 7 else "::"
    lengths = range(16 * index + 1, min(16 * index + 16, 127) + 1)
    branches = [f"{_masked(length - 16 * index)}{end}/{length}" for length in lengths]
    return f"(?:{'|'.join(branches)}{'' if index == 7 else f'|{HEXTET}:{_ipv6_group(index + 1)}'})"


def _masked(bits: int) -> str:
    """A group of which only the first bits may be 1, as four digits; all of them, as it is."""
    if bits == 16:
        return HEXTET
    whole, rest = divmod(bits, 4)
    digits = ["[0-9a-fA-F]"] * whole
    if rest:
        digits.append(f"[{''.join(f'{n:x}' + f'{n:X}' * (n > 9) for n in range(0, 16, 2 ** (4 - rest)))}]")
    return "".join(digits) + "0" * (4 - len(digits))


def url_body(schemes: Sequence[str] | None) -> str:
    """The URLs of these schemes; None: of any."""
    if schemes is None:
        return f"(?:(?:{'|'.join(WITH_PORTS)})://{HOST}{PORT}|[a-z][a-z0-9+.-]*://{HOST}){REST}"
    with_ports = [scheme for scheme in schemes if scheme != "file"]
    branches = [f"(?:{'|'.join(with_ports)})://{HOST}{PORT}"] if with_ports else []
    branches += ["file://"] if "file" in schemes else []
    return f"(?:{'|'.join(branches)}){REST}"
