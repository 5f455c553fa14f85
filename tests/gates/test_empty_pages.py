"""The measured gates of the design on every page of a LUX that has just been started."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gates.page_gates import PageGates
from tests.gates.scene import SETTINGS, Scene, make_empty
from tests.servers import running_lux

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def scene(database_url: str) -> Iterator[Scene]:
    """A LUX on its first day."""
    with running_lux(database_url, **SETTINGS) as lux:
        yield make_empty(lux)


class TestEmptyPages(PageGates):
    """All of them."""
