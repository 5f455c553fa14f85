"""The measured gates of the design on the pages of a LUX at work that test_full_pages.py leaves."""

from __future__ import annotations

import pytest

from tests.gates.page_gates import PageGates

pytestmark = pytest.mark.timeout(900)


class TestOtherFullPages(PageGates):
    """The second of each two."""

    share, shares = 1, 2
