"""Settings: what a server allows a request to cost, and whom it answers. All limits are stated and settable."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, fields

__all__ = ["LOOPBACK", "Settings", "is_loopback"]

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""The names by which a browser or a client on the same machine calls it, as they stand in `Host`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The limits of one server.

    | name                | what it bounds                                                       | beyond it          |
    |---------------------|----------------------------------------------------------------------|--------------------|
    | `max_body`          | bytes of a request                                                   | 413                |
    | `max_schema`        | bytes of all that says what is wanted, as JSON                       | 400                |
    | `compile_seconds`   | how long a request waits for its grammar                             | 400, or 503        |
    | `compile_threads`   | grammars that are being compiled at once, overdue ones included      | they wait          |
    | `max_compiles`      | grammars that wait for that                                          | 503                |
    | `max_constraints`   | grammars that are kept, the last used ones                           | compiled again     |
    | `max_tokens`        | tokens of one text                                                   | 400                |
    | `default_tokens`    | tokens of a text whose request does not say how many                 | `length`           |
    | `max_n`             | texts of one request                                                 | 400                |
    | `max_rows`          | texts in the making at once                                          | they wait          |
    | `max_queue`         | texts that wait                                                      | 429                |

    `api_key` is asked for where it is not None. `allowed_hosts` are the values of `Host` that are answered, without
    their ports.
    """

    max_body: int = 4 << 20
    max_schema: int = 1 << 20
    compile_seconds: float = 30.0
    compile_threads: int = 2
    max_compiles: int = 256
    max_constraints: int = 256
    max_tokens: int = 8192
    default_tokens: int = 1024
    max_n: int = 16
    max_rows: int = 32
    max_queue: int = 256
    api_key: str | None = None
    allowed_hosts: tuple[str, ...] = LOOPBACK

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in ("api_key", "allowed_hosts") and not value > 0:
                raise ValueError(f"{field.name} must be more than 0, not {value!r}")
        if self.max_n > self.max_rows:
            raise ValueError(f"max_n={self.max_n} texts of one request are more than max_rows={self.max_rows} at once")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that binds to `host`.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
