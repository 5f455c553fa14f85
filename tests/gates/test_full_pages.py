"""The measured gates of the design on every second page of a LUX at work; test_other_full_pages.py has the others.

Two files, so that two processes can look at them at the same time.
"""

from __future__ import annotations

import pytest

from tests.gates.page_gates import PageGates
from tests.gates.scene import Scene

pytestmark = pytest.mark.timeout(900)


class TestFullPages(PageGates):
    """The first of each two."""

    share, shares = 0, 2


def test_the_map_leads_to_the_pages_that_matter(scene: Scene) -> None:
    named = {name for name, _ in scene.list_addresses()}
    assert {"dashboard.index", "contacts.index", "contact.show", "campaign_results.index", "agent_runs.show"} <= named
