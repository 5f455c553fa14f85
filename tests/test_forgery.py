"""Nobody else's page can act for a signed-in person, and reading changes nothing: over every address of the map."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.routing import Rule

from extensions import db
from routes import guard_of
from tests import makers

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
CONTENT_TYPES = (
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "application/json",
    "application/octet-stream",
)
# A session notes when it was last used, and the fence of sign-in counts failures: neither is an act of the person.
COUNTERS = {"user_sessions", "sign_in_attempts", "alembic_version"}


def list_unsafe_rules(app: Flask) -> Iterator[tuple[Rule, str]]:
    for rule in app.url_map.iter_rules():
        guard = guard_of(rule.endpoint)
        if guard is not None and guard.uses_session:
            yield from ((rule, method) for method in sorted(UNSAFE & (rule.methods or set())))


def address_of(app: Flask, rule: Rule) -> str:
    values = {name: 1 if type(part).__name__ == "IntegerConverter" else "x" for name, part in rule._converters.items()}
    with app.test_request_context():
        return str(app.url_map.bind("localhost").build(rule.endpoint, values))


def contents() -> dict[str, str]:
    """A digest of every table's rows."""
    with db.engine.connect() as connection:
        names = connection.exec_driver_sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").scalars()
        return {
            name: str(
                connection.exec_driver_sql(
                    f"SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM \"{name}\" t"
                ).scalar()
            )
            for name in names
            if name not in COUNTERS and not name.startswith("procrastinate")
        }


@pytest.fixture
def owner(app: Flask) -> makers.Browser:
    """The owner's browser, which an attacker's page would like to use."""
    return makers.signed_in_client(app, makers.make_user(role="owner"))


def test_no_unsafe_address_acts_without_a_token(app: Flask, owner: makers.Browser) -> None:
    owner.csrf_token = ""
    before = contents()
    rules = list(list_unsafe_rules(app))
    for rule, method in rules:
        address = address_of(app, rule)
        for content_type in CONTENT_TYPES:
            answer = owner.open(address, method=method, data=b"a=1", content_type=content_type)
            assert answer.status_code == 400, (method, address, content_type, answer.status_code)
    assert len(rules) > 3
    assert contents() == before


def test_no_unsafe_address_acts_for_another_site(app: Flask, owner: makers.Browser) -> None:
    before = contents()
    for rule, method in list_unsafe_rules(app):
        answer = owner.open(address_of(app, rule), method=method, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403, (method, rule.rule)
    assert contents() == before


def test_no_address_changes_anything_when_it_is_read(app: Flask, owner: makers.Browser) -> None:
    before = contents()
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or set()):
            address = address_of(app, rule)
            answer = owner.get(address)
            assert answer.status_code in (200, 303, 302, 401, 403, 404, 422, 503), (address, answer.status_code)
            answer.close()
            assert contents() == before, address
