"""The measured gates of the design on the pages of a LUX at work that test_full_pages.py leaves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gates.page_gates import PageGates
from tests.gates.scene import SETTINGS, Scene, make_full
from tests.servers import running_lux

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def scene(database_url: str) -> Iterator[Scene]:
    """A LUX at work."""
    with running_lux(database_url, **SETTINGS) as lux:
        yield make_full(lux)


class TestOtherFullPages(PageGates):
    """The second of each two."""

    share, shares = 1, 2
