from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from expacti_agent import Client, load_settings
from standin import TOKEN, Server, StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def standin() -> Iterator[StandIn]:
    standin = StandIn()
    server = Server(standin)
    yield standin
    server.stop()


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No variable of the developer's machine, a configuration folder of our own."""
    for name in list(os.environ):
        if name.startswith(("EXPACTI_", "LC_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    folder = tmp_path / "config"
    monkeypatch.setenv("EXPACTI_CONFIG_DIR", str(folder))
    return folder


@pytest.fixture
def configured(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setenv("EXPACTI_URL", standin.url)
    monkeypatch.setenv("EXPACTI_TOKEN", TOKEN)
    return standin


@pytest.fixture
def client(configured: StandIn) -> Iterator[Client]:
    assert configured.url
    with Client(load_settings()) as client:
        yield client
