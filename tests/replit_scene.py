"""Going to the provider and back as a browser does: for tests of sign in with Replit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from extensions import db
from models import AuditEntry
from tests.fakes.oidc_provider import OidcProvider
from tests.makers import Browser

BASE = "/auth/replit_auth"


@pytest.fixture(scope="session")
def shared_provider() -> Iterator[OidcProvider]:
    """One provider for the tests that do not stop it."""
    with OidcProvider() as provider:
        yield provider


@pytest.fixture(scope="session")
def shared_replit_app(make_app: Callable[..., Flask], shared_provider: OidcProvider) -> Flask:
    """One app whose people sign in there."""
    return make_app(REPL_ID=shared_provider.client_id, ISSUER_URL=shared_provider.issuer)


@pytest.fixture
def provider(shared_provider: OidcProvider) -> OidcProvider:
    """The provider, honest and forgetful."""
    shared_provider.reset()
    return shared_provider


@pytest.fixture
def replit_app(shared_replit_app: Flask, empty_database: None) -> Iterator[Flask]:
    """The app on an empty database, which has yet to hear of the provider."""
    shared_replit_app.extensions.pop("lux_replit", None)
    with shared_replit_app.app_context():
        yield shared_replit_app
        db.session.remove()


def set_out(client: Browser, path: str = f"{BASE}/login", **options: Any) -> str:
    """Presses the button; the address at the provider."""
    answer = client.get(path, **options)
    assert answer.status_code == 302, answer.get_data(as_text=True)[:500]
    return str(answer.headers["Location"])


def visit_provider(address: str, person: str = "") -> str:
    """Consents at the provider; the address that it sends back to, without its origin."""
    headers = {"X-Person": person} if person else {}
    answer = requests.get(address, headers=headers, allow_redirects=False, timeout=30)
    assert answer.status_code == 302, answer.text
    parts = urlsplit(answer.headers["Location"])
    return f"{parts.path}?{parts.query}"


def go_through(client: Browser, person: str = "", path: str = f"{BASE}/login") -> TestResponse:
    """The whole way there and back; LUX's answer."""
    return client.get(visit_provider(set_out(client, path), person))


def sign_in(app: Flask, person: str = "") -> Browser:
    """A browser that has come through the provider."""
    client = app.test_client()
    assert isinstance(client, Browser)
    answer = go_through(client, person)
    assert answer.status_code == 302, answer.get_data(as_text=True)
    return client


def parameters_of(address: str) -> dict[str, str]:
    """The parameters of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def list_reasons() -> list[str]:
    """The reasons of all refusals in the audit trail, in their order."""
    db.session.rollback()
    rows = select(AuditEntry).where(AuditEntry.action == "replit_sign_in_refused").order_by(AuditEntry.id)
    return [row.detail["reason"] for row in db.session.scalars(rows)]


def who(client: Browser) -> str:
    """What the confirm page of signing out says about who is signed in."""
    return str(client.get(f"{BASE}/replit-logout").get_data(as_text=True))
