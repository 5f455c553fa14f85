"""What the tests of the door may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.security.forms import Form, list_all_forms
from tests.security.house import House, open_house
from tests.security.inputs import Inputs

USUAL_INPUTS = 10


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long generated tests go on; `make fuzz` asks for more."""
    parser.addoption("--inputs", type=int, default=USUAL_INPUTS, help="inputs that each generated test makes")


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


@pytest.fixture(scope="module")
def forms(house: House) -> list[Form]:
    """Every form of every page, as the owner sees it."""
    return list_all_forms(house)


@pytest.fixture(scope="module")
def inputs(request: pytest.FixtureRequest, house: House) -> Iterator[Inputs]:
    """Makes inputs for the house and counts them; the count is printed at the end of a file."""
    made = Inputs(house, request.config.getoption("--inputs", USUAL_INPUTS))
    yield made
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{made.summary()}")  # noqa: T201  # the figure that `make fuzz` is for
