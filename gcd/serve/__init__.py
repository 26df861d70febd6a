"""gcd.serve: an OpenAI-compatible server whose answers are inside what was asked for.

    engine = Engine(gcd.load("smollm2"), name="smollm2")
    app = create_app(engine)             # a Starlette application, for any ASGI server; `gcd serve` runs uvicorn

| name         | what it is                                                  |
|--------------|-------------------------------------------------------------|
| `create_app` | an Engine -> the application                                |
| `Engine`     | a model with its step loop and its constraints              |
| `Settings`   | what a request may cost, and who is answered                |
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcd.serve.app import create_app
    from gcd.serve.engine import Engine
    from gcd.serve.settings import Settings

__all__ = ["Engine", "Settings", "create_app"]

_LAZY = {"Engine": "gcd.serve.engine", "Settings": "gcd.serve.settings", "create_app": "gcd.serve.app"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'gcd.serve' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
