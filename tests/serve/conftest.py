"""The server that most tests ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("starlette", reason="the server's extra is not installed: pip install 'gcd-decoding[serve]'")
pytest.importorskip("uvicorn", reason="the server's extra is not installed: pip install 'gcd-decoding[serve]'")
pytest.importorskip("httpx", reason="httpx asks the server: pip install --group test")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a server over a model of noise, named m; its limits are small, so that they are met."""
    from served import scripted, serving

    limits = {"max_body": 20_000, "max_schema": 4000, "max_tokens": 500, "default_tokens": 200, "max_n": 4}
    with serving(scripted(), **limits) as (url, _):
        yield url
