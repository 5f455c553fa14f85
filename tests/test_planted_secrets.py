"""Sixty secrets in headers, fields, JSON, texts, locals, SQL, addresses and settings: none comes out anywhere."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from extensions import db
from models import ErrorGroup, ErrorLog
from tests import makers
from tests.planted import ADDRESSES, FIELDS, HEADERS, MEMBERS, PLANTED, SETTINGS, STATEMENTS, TEXTS, basic, secret_of
from tests.servers import Lux, wait_until

Sinks = dict[str, str]
PLACES = ("headers", "text", "locals", "sql", "thread")


def planted_settings() -> dict[str, str]:
    values = dict(zip(SETTINGS, (secret_of("setting", number) for number in range(len(SETTINGS))), strict=True))
    values["SESSION_SECRET"] += "-and-some-more-to-be-long-enough"
    values["SMTP_URL"] = f"smtp://ann:{values['SMTP_URL']}@127.0.0.1:1/"
    values["OPENAI_API_KEY"] = f"sk-{values['OPENAI_API_KEY']}"
    del values["DATABASE_URL"]
    return values


def fail_in_all_ways(lux: Lux) -> None:
    """One request after the other, so that every secret has been where it does not belong."""
    headers = {name: secret_of("header", number) for number, name in enumerate(HEADERS)}
    headers["Authorization"] = basic(headers["Authorization"])
    headers["Proxy-Authorization"] = f"Bearer {headers['Proxy-Authorization']}"
    headers["Cookie"] = f"session={headers['Cookie']}; other={headers['Cookie']}"
    fields = {name: secret_of("field", number) for number, name in enumerate(FIELDS)}
    members = {name: secret_of("member", number) for number, name in enumerate(MEMBERS)}
    body = {"person": {"list": [{**members}]}, **members}
    form = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    statuses = [
        lux.request("POST", "/planted", urlencode(fields).encode(), form)[0],
        lux.request("POST", "/planted", json.dumps(body).encode(), {**headers, "Content-Type": "application/json"})[0],
        *(lux.request("GET", f"/planted/text/{n}", None, headers)[0] for n in range(len(TEXTS) + len(ADDRESSES) + 1)),
        lux.request("GET", "/planted/locals")[0],
        *(lux.request("GET", f"/planted/sql/{number}")[0] for number in range(len(STATEMENTS))),
    ]
    assert set(statuses) == {500}
    assert lux.request("GET", "/planted/thread")[0] == 200
    with pytest.raises(http.client.IncompleteRead):
        lux.request("GET", "/planted/stream")


def dump(lux: Lux) -> str:
    """Every row of every table as text."""
    rows: list[str] = []
    with lux.connect() as connection:
        names = connection.execute(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for (name,) in names:
            rows += [row[0] for row in connection.execute(f"SELECT t::text FROM {name} AS t").fetchall()]
    return "\n".join(rows)


def read_pages(lux: Lux) -> Sinks:
    """What people and programs are shown of it."""
    found: Sinks = {"API": lux.request("GET", "/api/diagnostics/errors?limit=200")[2].decode()}
    app = lux.make_app()
    app.test_client_class = makers.Browser
    with app.app_context():
        client = makers.signed_in_client(app, makers.make_user(role="operator"))
        addresses = ["/diagnostics/", "/diagnostics/groups", "/diagnostics/logs/?hours=1", "/settings/environment"]
        for group_id, sample_id in db.session.execute(
            select(ErrorGroup.id, ErrorLog.id).join(ErrorLog, ErrorLog.group_id == ErrorGroup.id)
        ):
            addresses.append(f"/diagnostics/groups/{group_id}?sample={sample_id}")
        for address in addresses:
            answer = client.get(address)
            assert answer.status_code == 200, address
            found[address] = answer.get_data(as_text=True)
        db.engine.dispose()
    return found


@pytest.fixture
def sinks(start_lux: Callable[..., Lux]) -> Sinks:
    """Everything that comes out of a LUX in which sixty secrets were where they do not belong."""
    lux = start_lux(has_web=False, **planted_settings())
    lux.settings["GUNICORN_ERROR_LOG"] = str(lux.data_dir / "web.log")
    url = lux.settings["DATABASE_URL"]
    password = secret_of("setting", SETTINGS.index("DATABASE_URL"))
    lux.settings["DATABASE_URL"] = url.replace("postgres@", f"postgres:{password}@", 1)
    assert password in lux.settings["DATABASE_URL"]
    lux.start_web(application="tests.planted:create_app()")
    with lux.connect() as connection:
        # While this is held no error gets into the database, and the spool keeps them all.
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE error_flushes IN ACCESS EXCLUSIVE MODE")
        fail_in_all_ways(lux)
        spool = "".join(path.read_text() for path in (lux.data_dir / "spool" / "errors").glob("*.jsonl"))
        assert spool.count("\n") >= 20
        connection.execute("ROLLBACK")
    wait_until(lambda: not list((lux.data_dir / "spool" / "errors").glob("*.jsonl")), "an empty spool")
    with lux.connect() as connection:
        row = connection.execute("SELECT sum(count)::int FROM error_groups").fetchone()
    assert row is not None and row[0] >= 20 + len(STATEMENTS)
    return {
        "database": dump(lux),
        "spool": spool,
        "app log": (lux.data_dir / "logs" / "app.log").read_text(),
        "gunicorn's log": lux.read_log(),
        "metrics": lux.request("GET", "/metrics")[2].decode(),
        **read_pages(lux),
    }


def test_of_sixty_planted_secrets_none_comes_out_of_any_sink(sinks: Sinks) -> None:
    assert len(set(PLANTED.values())) == len(PLANTED) == 60
    leaks = [
        (where, sink, text[max(0, text.find(secret) - 80) : text.find(secret) + 60])
        for where, secret in PLANTED.items()
        for sink, text in sinks.items()
        if secret in text
    ]
    assert leaks == []
    for sink in ("database", "spool", "app log", "gunicorn's log"):
        assert "[redacted]" in sinks[sink], sink
