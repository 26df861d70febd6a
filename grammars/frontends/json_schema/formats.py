"""`format` -> IR: the strings of each named format, as characters (not yet as JSON spells them).

Place in the walk: the JSON Schema front end puts `FORMATS[name]` into a `JsonString`, with lengths and patterns; the
validator matches decoded strings against the same nodes. Nothing is built before it is looked up.

Each pattern is the grammar of the document that JSON Schema names, with these exceptions, all on the side of refusing:

- date-time, time: no second 60; leap seconds are announced, not computed, and `datetime` has none;
- date-time, date: no year 0000, which is not in `datetime` either;
- hostname, email: no label with `--` in third and fourth place; whether `xn--...` decodes is not regular, and the
  other such labels are reserved;
- email: address literals are IPv4 and IPv6 (no other tag is registered), 64 octets before the `@`, 254 in all
  (RFC 5321, 4.5.3.1);
- uri-template: none of the operators `= , ! @ |`, which RFC 6570 reserves;
- relative-json-pointer: no `0+1`, which validators do not know;
- base64, base64url: zeros in the bits that the padding cuts off; ipv6network: prefixes of whole groups only;
  multi-host-uri: hosts of letters and digits. These, `fraction` and `uuid4` are names that pydantic writes.

`REFUSED` and `UNENFORCED` list the names that are known and have no entry here, with the reason; any other name is an
annotation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial

from grammars.frontends.regex import parse_regex
from grammars.ir import Length, Node, Sequence, text

__all__ = ["FORMATS", "REFUSED", "UNENFORCED"]

REFUSED: Mapping[str, str] = {
    "regex": "regular expressions nest, and so are no regular language",
    "idn-hostname": "a label depends on Unicode tables, on neighbouring letters and on its length in Punycode",
    "idn-email": "its domain is an idn-hostname",
}
"""Formats that JSON Schema defines and that no automaton holds, and why; a schema that names one is refused."""

UNENFORCED: Mapping[str, str] = {
    "binary": "any string",
    "password": "any string; a hint for displays",
    "path": "any string",
    "file-path": "whether a file of that name exists is not a question about the text",
    "directory-path": "whether a directory of that name exists is not a question about the text",
    "zoneinfo": "depends on the time zones that are installed",
    "name-email": "pydantic leaves it to the package email-validator",
    "color": "JSON Schema defines none since draft 4; pydantic's and CSS's differ",
}
"""Formats that JSON Schema does not define; they are annotations, with the reason."""

# --- RFC 3339: dates and times; its appendix A: durations -------------------------------------------------------------

_YEAR = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DATE = (
    f"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    f"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP_YEAR}-02-29)"
)
_HOUR_MINUTE = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_TIME = rf"{_HOUR_MINUTE}:[0-5][0-9](?:\.[0-9]+)?(?:[Zz]|[+-]{_HOUR_MINUTE})"


def _duration() -> str:
    """`PnYnMnDTnHnMnS`: units descend without gaps, and weeks stand alone."""
    number = "[0-9]+"
    time = f"T(?:{number}H(?:{number}M(?:{number}S)?)?|{number}M(?:{number}S)?|{number}S)"
    date = f"(?:{number}Y(?:{number}M(?:{number}D)?)?|{number}M(?:{number}D)?|{number}D)"
    return f"P(?:{date}(?:{time})?|{time}|{number}W)"


# --- RFC 1123, 4291, 5321: hosts and mailboxes ------------------------------------------------------------------------

_OCTET = "(?:[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_GROUP = "[0-9A-Fa-f]{1,4}"


def _ipv6(omitted: int = 1) -> str:
    """Eight groups, the last two perhaps as IPv4; `::` stands for `omitted` groups or more (RFC 5321: two)."""

    def groups(count: int) -> str:
        return f"{_GROUP}(?::{_GROUP}){{{count - 1}}}" if count else ""

    def up_to(count: int) -> str:
        return f"(?:{_GROUP}(?::{_GROUP}){{0,{count - 1}}})?" if count else ""

    forms = [groups(8), f"(?:{_GROUP}:){{6}}{_IPV4}"]
    forms += [f"{groups(left)}::{up_to(8 - omitted - left)}" for left in range(9 - omitted)]
    forms += [f"{groups(left)}::(?:{_GROUP}:){{0,{6 - omitted - left}}}{_IPV4}" for left in range(7 - omitted)]
    return f"(?:{'|'.join(forms)})"


_ALNUM, _LDH = "[A-Za-z0-9]", "[A-Za-z0-9-]"
_LABEL = f"(?:{_ALNUM}(?:{_LDH}{{0,2}}{_ALNUM})?|{_ALNUM}{_LDH}(?:{_ALNUM}{_LDH}|-{_ALNUM}){_LDH}{{0,58}}{_ALNUM})"
_HOSTNAME = rf"{_LABEL}(?:\.{_LABEL})*"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LOCAL_PART = rf'(?:{_ATOM}+(?:\.{_ATOM}+)*|"(?:[ !#-\[\]-~]|\\[ -~])*")'


_LITERAL = rf"\[(?:{_IPV4}|IPv6:{_ipv6(omitted=2)})\]"


# --- RFC 3986, 3987, 6570: URIs, IRIs, templates ----------------------------------------------------------------------

_PERCENT = "%[0-9A-Fa-f]{2}"
_UNRESERVED, _SUB_DELIMS = "A-Za-z0-9._~-", "!$&'()*+,;="
_UCS = "\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef" + "".join(
    f"{chr((plane << 16) + (0x1000 if plane == 14 else 0))}-{chr((plane << 16) + 0xFFFD)}" for plane in range(1, 15)
)
_PRIVATE = "\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd"


def _resource(*, absolute: bool, international: bool) -> str:
    """A URI or an IRI; a reference may also be relative."""
    unreserved = _UCS + _UNRESERVED if international else _UNRESERVED
    plain = _SUB_DELIMS + unreserved  # the hyphen stays last

    def run(more: str, quantifier: str) -> str:
        return f"(?:[{more}{plain}]|{_PERCENT}){quantifier}"

    segments = f"(?:/{run(':@', '*')})*"
    host = rf"(?:\[(?:{_ipv6()}|[vV][0-9A-Fa-f]+\.[:{_SUB_DELIMS}{_UNRESERVED}]+)\]|{run('', '*')})"
    authority = f"//(?:{run(':', '*')}@)?{host}(?::[0-9]*)?{segments}"
    rooted = f"/(?:{run(':@', '+')}{segments})?"
    query = run(":@/?" + (_PRIVATE if international else ""), "*")
    tail = rf"(?:\?{query})?(?:#{run(':@/?', '*')})?"
    uri = f"[A-Za-z][A-Za-z0-9+.-]*:(?:{authority}|{rooted}|{run(':@', '+')}{segments}|){tail}"
    if absolute:
        return uri
    return f"(?:{uri}|(?:{authority}|{rooted}|{run('@', '+')}{segments}|){tail})"


def _template() -> str:
    """Literals and expressions such as `{?list*,name:3}`."""
    name = rf"(?:[A-Za-z0-9_]|{_PERCENT})(?:\.?(?:[A-Za-z0-9_]|{_PERCENT}))*"
    variable = rf"{name}(?::[1-9][0-9]{{0,3}}|\*)?"
    literal = rf"[!#$&-;=?-\[\]_a-z~{_UCS}{_PRIVATE}]"  # the apostrophe by erratum 6937
    return rf"(?:{literal}|{_PERCENT}|\{{[+#./;?&]?{variable}(?:,{variable})*\}})*"


# --- what pydantic names ----------------------------------------------------------------------------------------------


def _ipv4_network() -> str:
    """An address and the length of a prefix behind which all bits are 0; without one it is 32."""
    forms = [rf"{_IPV4}(?:/32)?"]
    for length in range(32):
        whole, bits = divmod(length, 8)
        octets = [_OCTET] * whole + ["(?:" + "|".join(str(x) for x in range(0, 256, 256 >> bits)) + ")"]
        forms.append(r"\.".join([*octets, *["0"] * (3 - whole)]) + f"/{length}")
    return f"(?:{'|'.join(forms)})"


def _ipv6_network() -> str:
    """An address of its own, or prefixes of whole groups."""
    prefixes = [f"{_GROUP}(?::{_GROUP}){{{count - 1}}}::/{16 * count}" for count in range(1, 8)]
    return f"(?:{'|'.join([f'{_ipv6()}(?:/128)?', '::/0', *prefixes])})"


def _multi_host_uri() -> str:
    """`scheme://user:password@host:port,host:port/path?query#fragment` with plain host names."""
    user = rf"(?:[{_UNRESERVED}]|{_PERCENT})+"
    host = r"[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z][A-Za-z0-9]*)*(?::[1-9][0-9]{0,3})?"
    rest = rf"(?:[:@/{_UNRESERVED}]|{_PERCENT})*"
    return rf"[a-z][a-z0-9+]*://(?:{user}(?::{user})?@)?{host}(?:,{host})*(?:/{rest}(?:\?{rest})?(?:#{rest})?)?"


_HEX = "[0-9A-Fa-f]"
_IPV6_LENGTH = "(?:[0-9]|[1-9][0-9]|1[01][0-9]|12[0-8])"
_POINTER = "(?:/(?:[^~/]|~[01])*)*"


def _uuid(version: str = _HEX, variant: str = _HEX) -> str:
    return f"{_HEX}{{8}}-{_HEX}{{4}}-{version}{_HEX}{{3}}-{variant}{_HEX}{{3}}-{_HEX}{{12}}"


def _base64(last: str) -> str:
    """RFC 4648 with padding, and with zeros in the bits that the padding cuts."""
    char = f"[A-Za-z0-9{last}]"
    return f"(?:{char}{{4}})*(?:{char}[AQgw]==|{char}{{2}}[AEIMQUYcgkosw048]=)?"


_PATTERNS: Mapping[str, Callable[[], str]] = {
    "date-time": lambda: f"{_DATE}[Tt]{_TIME}",
    "date": lambda: _DATE,
    "time": lambda: _TIME,
    "duration": _duration,
    "ipv4": lambda: _IPV4,
    "ipv6": _ipv6,
    "uri": lambda: _resource(absolute=True, international=False),
    "uri-reference": lambda: _resource(absolute=False, international=False),
    "iri": lambda: _resource(absolute=True, international=True),
    "iri-reference": lambda: _resource(absolute=False, international=True),
    "uri-template": _template,
    "uuid": _uuid,
    "json-pointer": lambda: _POINTER,
    "relative-json-pointer": lambda: f"(?:0|[1-9][0-9]*)(?:#|{_POINTER})",
    "base64": lambda: _base64("+/"),
    "base64url": lambda: _base64("_-"),
    "fraction": lambda: r"-?[0-9]{1,64}(?:/[1-9][0-9]{0,63}|\.[0-9]{1,64})?",
    "ipv4interface": lambda: f"{_IPV4}(?:/(?:[0-9]|[12][0-9]|3[0-2]))?",
    "ipv4network": _ipv4_network,
    "ipv6interface": lambda: f"{_ipv6()}(?:/{_IPV6_LENGTH})?",
    "ipv6network": _ipv6_network,
    "ipvanyaddress": lambda: f"(?:{_IPV4}|{_ipv6()})",
    "ipvanyinterface": lambda: f"(?:{_IPV4}(?:/(?:[0-9]|[12][0-9]|3[0-2]))?|{_ipv6()}(?:/{_IPV6_LENGTH})?)",
    "ipvanynetwork": lambda: f"(?:{_ipv4_network()}|{_ipv6_network()})",
    "multi-host-uri": _multi_host_uri,
    **{f"uuid{version}": partial(_uuid, str(version), "[89ABab]") for version in range(1, 9)},
}


def _hostname() -> Node:
    return Length(parse_regex(_HOSTNAME), 1, 253)


def _email() -> Node:
    """A mailbox; the limit on the whole implies the one on the domain."""
    local = Length(parse_regex(_LOCAL_PART), 1, 64)
    return Length(Sequence((local, text("@"), parse_regex(f"{_HOSTNAME}|{_LITERAL}"))), 3, 254)


_NODES: Mapping[str, Callable[[], Node]] = {"hostname": _hostname, "email": _email}


@cache
def _node(name: str) -> Node:
    return _NODES[name]() if name in _NODES else parse_regex(_PATTERNS[name]())


class _Formats(Mapping[str, Node]):
    """Nodes by format, each built when it is first looked up."""

    def __getitem__(self, name: str) -> Node:
        if name not in self:
            raise KeyError(name)
        return _node(name)

    def __contains__(self, name: object) -> bool:
        return name in _PATTERNS or name in _NODES

    def __iter__(self) -> Iterator[str]:
        return iter((*_NODES, *_PATTERNS))

    def __len__(self) -> int:
        return len(_NODES) + len(_PATTERNS)


FORMATS: Mapping[str, Node] = _Formats()
"""The strings of each enforced format, in characters; regular, without references."""
