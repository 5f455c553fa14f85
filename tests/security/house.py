"""A LUX in production with people of every kind at its door, and rows of their own, of others and of nobody.

A new part of an address gets its value in tests/gates/scene.py (`make_full`); if another's row or another's parent can
be named there too, its value goes into `foreign_values` below.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from flask import Flask
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import select
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from accounts.sessions import list_sessions, start_session
from accounts.tokens import add_token
from accounts.webhook_credentials import add_credential
from agents import AGENTS
from app import create_app
from audience.imports import add_import
from channels.outbox import list_outbox_messages
from config import current_settings, load_settings
from extensions import db
from models import AgentRun, AgentSchedule, ErrorGroup, IntakeBody, IntakeMapping, Proposal, User
from planning.ad_plans import PlanFacts, add_plan
from tests import makers
from tests.audience.people_scene import add_people_work
from tests.gates.scene import SETTINGS, Scene, add_conversation, cookie_of, make_full
from tests.publishing.publishing_scene import add_publishing
from tests.security.contents import Contents
from tests.servers import Lux, drop_database, make_database

OPERATOR_TOKEN = "an-operator-token-for-tests-0123456789"
ROLES = ("waiting", "viewer", "marketer", "operator", "owner")
PRINCIPALS = ("nobody", *ROLES, "zapier", "token")
# Where the visitor comes from: not this machine, and over https.
FROM_OUTSIDE = {"REMOTE_ADDR": "203.0.113.9", "wsgi.url_scheme": "https"}
NOWHERE_ID = 987_654_321
NOWHERE_TEXT = "no-such-thing-anywhere"


class StillLux(Lux):
    """A LUX without processes: its requests are answered in this one."""

    app: Flask

    def make_app(self) -> Flask:
        return self.app

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        answer = makers.Browser(self.app, self.app.response_class).open(
            path, method=method, data=body, headers=headers, environ_base=FROM_OUTSIDE
        )
        return answer.status_code, dict(answer.headers), answer.get_data()


@dataclass
class House:
    """The app, who stands at its door, and which values an address may carry."""

    app: Flask
    scene: Scene
    contents: Contents
    visitors: dict[str, makers.Browser] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    own_of: dict[str, dict[str, str | int]] = field(default_factory=dict)
    foreign: dict[str, str | int] = field(default_factory=dict)
    foreign_at: dict[str, dict[str, str | int]] = field(default_factory=dict)

    def ask(self, principal: str, method: str, address: str, **options: object) -> TestResponse:
        """One request of a principal; the answer is read to its end."""
        given: dict[str, str] = options.pop("headers", {})  # type: ignore[assignment]  # of this shape wherever it is called
        headers = {**self.headers.get(principal, {}), **given}
        visitor = self.visitors[principal]
        # Whoever has just signed out is back: every request is the first of its own day.
        visitor.set_cookie(str(self.app.config["SESSION_COOKIE_NAME"]), self.cookies[principal])
        answer: TestResponse = visitor.open(
            address, method=method, headers=headers, environ_base=FROM_OUTSIDE, **options
        )
        answer.get_data()
        answer.close()
        return answer

    def address_of(self, rule: Rule, whose: str = "own", principal: str = "owner") -> str:
        """The rule's address with the ids of a principal's own row, of a foreign one, or of none."""
        values: dict[str, str | int] = {}
        if whose == "own" or not rule.arguments:
            return self.own_address_of(rule, principal)
        for name in rule.arguments:
            is_number = type(rule._converters[name]).__name__ == "IntegerConverter"
            if whose == "random":
                values[name] = NOWHERE_ID if is_number else NOWHERE_TEXT
                continue
            found = {**self.foreign, **self.foreign_at.get(rule.endpoint, {})}.get(name)
            assert found is not None, f"{rule.rule}: give <{name}> another's row in foreign_values of {__file__}"
            values[name] = found
        with self.app.test_request_context():
            return str(self.app.url_map.bind("").build(rule.endpoint, values))

    def own_address_of(self, rule: Rule, principal: str) -> str:
        """The rule's address with the ids of rows of the house, or of the principal where rows belong to a person."""
        kept = self.scene.values
        self.scene.values = {**kept, **self.own_of.get(principal, self.own_of["owner"])}
        try:
            own = self.scene.address_of(rule)
        finally:
            self.scene.values = kept
        assert own is not None, f"{rule.rule} needs a value in make_full of tests/gates/scene.py"
        return own


@contextlib.contextmanager
def open_house(server_url: str, **settings: str) -> Iterator[House]:
    """A house on a database and a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="lux-house-"))
    url = make_database(server_url)
    try:
        app = create_app(load_settings(production_settings(folder, url, **settings), dotenv=None))
        app.test_client_class = makers.Browser
        with psycopg.connect(url, autocommit=True) as connection:
            yield furnish(app, folder, url, connection)
            with app.app_context():
                db.engine.dispose()
    finally:
        drop_database(server_url, url)
        shutil.rmtree(folder, ignore_errors=True)


def production_settings(folder: Path, url: str, **changes: str) -> dict[str, str]:
    """What a server in production is started with."""
    return {
        "LUX_ENV": "production",
        "LUX_DATA_DIR": str(folder),
        "DATABASE_URL": url,
        "LUX_PUBLIC_URL": "https://mail.lumen.example",
        "SESSION_SECRET": "a-secret-for-tests-only-0123456789abcdef",
        "OPERATOR_TOKEN": OPERATOR_TOKEN,
        "WEBHOOK_RATE_PER_SECOND": "1000",
        "WEBHOOK_BURST": "10000",
        **SETTINGS,
        **changes,
    }


def furnish(app: Flask, folder: Path, url: str, connection: psycopg.Connection) -> House:
    """Rows of everybody's, and everybody at the door."""
    lux = StillLux(port=0, data_dir=folder, database_url=url, settings={})
    lux.app = app
    scene = make_full(lux)
    house = House(app, scene, Contents(connection))
    with app.app_context():
        house.visitors = {name: anonymous_browser(app) for name in PRINCIPALS if name not in ROLES}
        for role in ROLES:
            person = makers.make_user(role=None if role == "waiting" else role, email=f"{role}@house.example")
            house.visitors[role] = makers.signed_in_client(app, person)
            house.own_of[role] = personal_values(person)
        house.cookies = {name: cookie_of(visitor) for name, visitor in house.visitors.items()}
        made = add_credential("Matrix", by=None)
        login = base64.b64encode(f"{made.username}:{made.password}".encode()).decode()
        house.headers = {
            "zapier": {"Authorization": f"Basic {login}"},
            "token": {"Authorization": f"Bearer {OPERATOR_TOKEN}"},
        }
        scene.values |= own_values()
        scene.of_area["first_start"] = {"key": "brand"}
        twins = {"public.leave": "u", "public.change": "p", "public.answer": "public.question"}
        scene.tokens |= {view: scene.tokens[part] for view, part in twins.items()}
        house.foreign = foreign_values(scene)
        house.foreign_at = foreign_tokens(scene)
        db.session.commit()
        db.session.remove()
    house.contents.keep()
    return house


def anonymous_browser(app: Flask) -> makers.Browser:
    """A browser that nobody has signed in on, with the token of its own session: no refusal is due to a missing one."""
    client = makers.Browser(app, app.response_class)
    secret = secrets.token_hex(20)
    with client.session_transaction() as session:
        session["csrf_token"] = secret
    client.csrf_token = URLSafeTimedSerializer(str(app.secret_key), salt="wtf-csrf-token").dumps(secret)
    return client


def own_values() -> dict[str, str | int]:
    """Rows that only acts name: no page shows them under an address of their own."""
    person = makers.make_user(role="viewer", email="somebody@house.example")
    mapping = IntakeMapping(key="kundenmail", field="email")
    db.session.add(mapping)
    db.session.commit()
    return {
        "user_id": person.id,
        "credential_id": add_credential("To be revoked", by=None).id,
        "schedule_id": add_schedule(person.id),
        "token_id": add_token("To be revoked", scopes=["operator"], days=30, by=person, peer="127.0.0.1").id,
        "mapping_id": mapping.id,
        "build": "0" * 12,
        "path": "css/tokens.css",
    }


def add_schedule(user_id: int) -> int:
    """A brief that the clock repeats; its id."""
    schedule = AgentSchedule(
        agent="email_crm", task="campaign", brief={}, every="day", hour=6, timezone="UTC", user_id=user_id,
        next_at=db.func.now(),
    )  # fmt: skip
    db.session.add(schedule)
    db.session.commit()
    return int(schedule.id)


def personal_values(person: User) -> dict[str, str | int]:
    """Rows that belong to one person alone: nobody else may name them, whatever their role."""
    start_session(person, peer="127.0.0.1", user_agent="another browser")
    return {"session_id": list_sessions(person)[0].id, **add_conversation(person.id)}


def foreign_values(scene: Scene) -> dict[str, str | int]:
    """Rows that exist and that somebody else has made, or that belong to another parent than the address says."""
    stranger = makers.make_user(role="marketer", email="stranger@house.example")
    letters = list_outbox_messages(current_settings().lux_data_dir / "outbox")
    bodies = db.session.scalars(select(IntakeBody.id).where(IntakeBody.id != scene.values["body_id"])).all()
    run = AgentRun(agent=AGENTS[1].key, task="x", brief={}, user_id=stranger.id, state="done")
    group = ErrorGroup(
        fingerprint="another", fingerprint_version=1, error_type="KeyError", title="Another", source="app",
        severity="error", first_seen=db.func.now(), last_seen=db.func.now(),
    )  # fmt: skip
    db.session.add_all([run, group])
    db.session.flush()
    proposal = Proposal(
        run_id=run.id, agent=AGENTS[1].key, action="none", title="Another's", payload={}, reason="",
        expires_at=db.func.now(),
    )  # fmt: skip
    mapping = IntakeMapping(key="strassenname", field="name")
    db.session.add_all([proposal, mapping])
    db.session.commit()
    campaign = makers.make_campaign(name="Another's letter", made_by="Stranger")
    token = add_token("Another's", scopes=["operator"], days=30, by=stranger, peer="127.0.0.1")
    return {
        **personal_values(stranger),
        **add_publishing(None, "Stranger"),
        **add_people_work(None, "Stranger"),
        "token_id": token.id,
        "schedule_id": add_schedule(stranger.id),
        "step_id": NOWHERE_ID,
        "campaign_id": campaign.id,
        "contact_id": makers.make_contact(name="Another's contact").id,
        "segment_id": makers.make_segment(name="Another's segment").id,
        "import_id": add_import("others.csv", b"email\nx@example.com\n", actor="Stranger", user_id=stranger.id).id,
        "body_id": bodies[0],
        "run_id": run.id,
        "proposal_id": proposal.id,
        "group_id": group.id,
        "user_id": stranger.id,
        "credential_id": add_credential("Another's", by=None).id,
        "mapping_id": mapping.id,
        "name": letters[-1].name,
        "table": "links",
        "key": "email_crm",
        "document": "diagnostics",
        "asset_id": makers.make_asset(name="Another's picture").id,
        "ending": "jpg",
        **another_plan(),
        "number": 99,
        "path": "../app.py",
        "build": "0" * 12,
    }


def another_plan() -> dict[str, str | int]:
    """A plan of advertising without ads: neither an ad nor an audience of another plan is reached through it."""
    plan = add_plan(PlanFacts("Another's plan"), made_by="Stranger")
    return {"plan_id": plan.id, "ad_id": NOWHERE_ID, "audience_id": NOWHERE_ID}


def foreign_tokens(scene: Scene) -> dict[str, dict[str, str | int]]:
    """For each address with a token one that LUX has made too, for another purpose."""
    letters = {"click": "o", "opened": "c", "ask": "o", "leave": "o", "view": "u", "preferences": "c", "change": "o"}
    letters |= {"question": "c", "answer": "c"}
    found: dict[str, dict[str, str | int]] = {
        f"public.{view}": {"token": scene.tokens[part]} for view, part in letters.items()
    }
    found["password_reset.choose"] = {"token": scene.tokens["users.accept"]}
    found["profile.confirm_address"] = {"token": scene.tokens["users.accept"]}
    found["users.accept"] = {"token": scene.tokens["u"]}
    found["media.show"] = {"token": scene.tokens["u"]}
    found["first_start.make_owner"] = {"token": scene.tokens["users.accept"]}
    return found
