"""What the gates may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.gates.scene import SETTINGS, Scene, make_full
from tests.gates.visits import Visit, visit
from tests.servers import running_lux


@pytest.fixture(scope="module")
def scene(database_url: str) -> Iterator[Scene]:
    """A LUX at work."""
    with running_lux(database_url, **SETTINGS) as lux:
        yield make_full(lux)


@pytest.fixture(scope="class")
def visits(request: pytest.FixtureRequest, scene: Scene, chromium: Browser) -> list[Visit]:
    """One look at every page of the share that the asking class names (see page_gates.py)."""
    share, shares = request.cls.share, request.cls.shares
    return [
        visit(chromium, scene, name, address)
        for number, (name, address) in enumerate(scene.list_addresses())
        if number % shares == share
    ]
