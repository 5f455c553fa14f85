"""What tests of repairs may ask for: a hash of everything that the database holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from tests.database_hash import hash_of
from tests.repair_scene import forget_log


@pytest.fixture(autouse=True)
def own_log(data_dir: Path) -> None:
    """Each test's faults in a log of their own."""
    forget_log(data_dir)


@pytest.fixture
def hash_database(app: Flask, database_url: str) -> Callable[[], str]:
    """Hashes every row of every table."""
    return lambda: hash_of(database_url)


@pytest.fixture
def database_hash(hash_database: Callable[[], str]) -> str:
    """The hash before the test."""
    return hash_database()
