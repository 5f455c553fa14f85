"""What the tests of the door may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.security.house import House, open_house


@pytest.fixture(scope="module")
def house(database_url: str) -> Iterator[House]:
    """A LUX in production, everybody at its door; one for a file of tests."""
    with open_house(database_url) as house:
        yield house


@pytest.fixture(autouse=True)
def unchanged_house(request: pytest.FixtureRequest) -> Iterator[None]:
    """Puts the house back as it was furnished, after each test that was in it."""
    yield
    if "house" in request.fixturenames:
        contents = request.getfixturevalue("house").contents
        contents.restore(contents.changed())
