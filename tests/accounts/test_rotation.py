"""Every secret that LUX holds can be changed while it is in use: sessions, forms, mails and stored secrets survive."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pyotp
import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import String, Text, select, text

from accounts import rotation
from accounts.encryption import Undecryptable, decrypt
from accounts.rotation import COLUMNS, rotate_secrets, tell_rotation
from accounts.second_factor import confirm_enrolment, start_enrolment
from campaigns.launching import launch_campaign, start_campaign
from campaigns.sending import send_due_messages
from channels.outbox import get_outbox_message, list_outbox_messages
from config import child_environment, current_settings
from extensions import Model, db
from models import ReplitOAuth, SecondFactor, WebhookCredential
from tests import makers
from tests.fakes.oidc_provider import OidcProvider
from tests.replit_scene import sign_in as sign_in_with_replit
from tests.servers import ROOT, Lux

SignIn = Callable[..., FlaskClient]
# These encrypt whatever they are given.
OWN_FILES = ("encryption.py", "rotation.py")
MODELS = {mapper.class_.__name__ for mapper in Model.registry.mappers}
OLD = "the-former-session-secret-0123456789abcdef"
NEW = "the-newest-session-secret-0123456789abcdef"
MAIL = {"MAIL_FROM": "Lumen Tea <hello@lumen.example>", "POSTAL_ADDRESS": "Lumen Tea, 1 Harbour Street"}


def csrf_of(page: requests.Response) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


def sign_in_by_password(lux: Lux) -> requests.Session:
    """A browser on which the owner is signed in."""
    with lux.make_app().app_context():
        makers.make_user(role="owner", email="ada@lumen.example")
    browser = requests.Session()
    token = csrf_of(browser.get(f"{lux.url}/sign-in", timeout=30))
    form = {"csrf_token": token, "email": "ada@lumen.example", "password": makers.PASSWORD}
    assert browser.post(f"{lux.url}/sign-in", data=form, timeout=30).status_code == 200
    return browser


def send_letter(lux: Lux) -> str:
    """Sends one letter by the test outbox; its address to unsubscribe by one click."""
    with lux.make_app().app_context():
        owner = makers.make_user(role="owner")
        makers.make_contact(email="ann@example.com")
        campaign_id = makers.make_campaign(segment_id=makers.make_segment().id).id
        launch_campaign(campaign_id, owner.id, grace_seconds=0)
        start_campaign(campaign_id)
        assert send_due_messages(campaign_id).sent == 1
        folder = current_settings().lux_data_dir / "outbox"
        letter = get_outbox_message(folder, list_outbox_messages(folder)[0].name)
        db.session.remove()
    found = re.search(r"<(http[^>]+)>", str(letter["List-Unsubscribe"]))
    assert found is not None
    return found[1]


def restart(lux: Lux, **changes: str) -> None:
    lux.kill_web()
    lux.settings.update(changes)
    lux.start_web()


def lux_rotate(lux: Lux) -> str:
    """What the command says."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", "lux", "rotate"],
        cwd=ROOT,
        env=child_environment(**lux.settings),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def test_a_new_session_secret_costs_no_session_no_form_and_no_mail(start_lux: Callable[..., Lux]) -> None:
    lux = start_lux(SESSION_SECRET=OLD, **MAIL)
    browser = sign_in_by_password(lux)
    open_form = csrf_of(browser.get(f"{lux.url}/settings/", timeout=30))
    unsubscribe = send_letter(lux)
    restart(lux, SESSION_SECRET=f"{NEW},{OLD}")
    assert browser.get(f"{lux.url}/settings/", timeout=30, allow_redirects=False).status_code == 200
    form = {"csrf_token": open_form, "name": "Ada King"}
    assert browser.post(f"{lux.url}/settings/name", data=form, timeout=30, allow_redirects=False).status_code == 303
    assert lux.count("users", "name = 'Ada King'") == 1
    said = lux_rotate(lux)
    assert "1 browser signed in before" in said
    assert "1 mail sent before" in said
    assert "Keep the former value until" in said
    answer = requests.post(unsubscribe, data={"List-Unsubscribe": "One-Click"}, timeout=30)
    assert answer.status_code == 200
    assert lux.count("contacts", "subscription = 'unsubscribed'") == 1


def test_stored_secrets_are_read_with_the_former_value_and_renewed_for_the_new_one(
    make_app: Callable[..., Flask], provider: OidcProvider, empty_database: None
) -> None:
    settings = {"REPL_ID": provider.client_id, "ISSUER_URL": provider.issuer}
    with make_app(SESSION_SECRET=OLD, **settings).app_context():
        sign_in_with_replit(make_app(SESSION_SECRET=OLD, **settings))
        user = makers.make_user(email="ada@lumen.example")
        key = start_enrolment(user).key
        confirm_enrolment(user, pyotp.TOTP(key).now(), token="", peer="127.0.0.1")
        refresh = decrypt(db.session.scalars(select(ReplitOAuth.refresh_token)).one() or "")
    with make_app(SESSION_SECRET=f"{NEW},{OLD}").app_context():
        assert read_stored() == (key, refresh)
        done = rotate_secrets()
        assert (done.renewed_count, done.lost_count, done.former_count) == (6, 0, 1)
        assert rotate_secrets().renewed_count == 0
    with make_app(SESSION_SECRET=NEW).app_context():
        assert read_stored() == (key, refresh)
        assert rotate_secrets().lost_count == 0


def test_what_no_value_reads_is_told_and_left_as_it_is(make_app: Callable[..., Flask], empty_database: None) -> None:
    with make_app(SESSION_SECRET=OLD).app_context():
        start_enrolment(makers.make_user())
    with make_app(SESSION_SECRET=NEW).app_context():
        before = db.session.scalars(select(SecondFactor.secret)).one()
        done = rotate_secrets()
        assert (done.renewed_count, done.lost_count) == (0, 1)
        assert "can be read with no value of SESSION_SECRET" in " ".join(tell_rotation(done))
        with pytest.raises(Undecryptable):
            decrypt(db.session.scalars(select(SecondFactor.secret)).one())
        assert db.session.scalars(select(SecondFactor.secret)).one() == before


def test_many_rows_are_renewed_batch_by_batch(
    make_app: Callable[..., Flask], empty_database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    with make_app(SESSION_SECRET=OLD).app_context():
        for _ in range(5):
            start_enrolment(makers.make_user())
    with make_app(SESSION_SECRET=f"{NEW},{OLD}").app_context():
        assert rotate_secrets().renewed_count == 5


def test_with_nothing_left_of_the_former_value_it_may_go(make_app: Callable[..., Flask], empty_database: None) -> None:
    with make_app(SESSION_SECRET=OLD).app_context():
        assert "put a new one before it" in " ".join(tell_rotation(rotate_secrets()))
    with make_app(SESSION_SECRET=f"{NEW},{OLD}").app_context():
        done = rotate_secrets()
        assert done.until is None
        assert tell_rotation(done)[-1] == (
            "The former value may go: take it out of SESSION_SECRET and start LUX again."
        )


def test_the_day_of_the_change_is_remembered(make_app: Callable[..., Flask], empty_database: None) -> None:
    with make_app(SESSION_SECRET=f"{NEW},{OLD}").app_context():
        first = rotate_secrets().began_at
        assert rotate_secrets().began_at == first
        stored = db.session.execute(text("SELECT subject FROM audit_entries")).scalar()
        assert stored is not None and len(stored) == 16
        assert NEW not in stored


def columns_that_are_encrypted() -> set[str]:
    """The names under which what encrypt() gave is kept, in all of LUX: keywords, attributes, keys."""
    names: set[str] = set()
    for path in sorted(ROOT.rglob("*.py")):
        top = path.relative_to(ROOT).parts[0]
        if top.startswith(".") or top in ("tests", "benchmarks", "migrations", "var") or path.name in OWN_FILES:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        uses = sum(is_encrypting(node) for node in ast.walk(tree))
        found = [name for node in ast.walk(tree) for name, value in kept_in(node) if holds_encrypted(value)]
        assert bool(uses) == bool(found), f"{path}: keep what encrypt() gives in a column by its name"
        names.update(found)
    return names


def is_encrypting(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "encrypt"


def holds_encrypted(value: ast.AST) -> bool:
    return any(is_encrypting(node) for node in ast.walk(value))


def kept_in(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What a node gives a name to: a keyword of a row, with its model's name, an attribute of one, a key of values."""
    if isinstance(node, ast.Call):
        model = f"{node.func.id}." if isinstance(node.func, ast.Name) and node.func.id in MODELS else ""
        yield from ((f"{model}{word.arg}", word.value) for word in node.keywords if word.arg)
    elif isinstance(node, ast.Assign):
        yield from ((target.attr, node.value) for target in node.targets if isinstance(target, ast.Attribute))
    elif isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        yield from ((str(key.value), value) for key, value in pairs if isinstance(key, ast.Constant))


def test_every_column_that_is_encrypted_anywhere_is_rotated() -> None:
    listed = [column for _, columns in COLUMNS for column in columns]
    rotated = {column.key for column in listed} | {f"{column.class_.__name__}.{column.key}" for column in listed}
    found = columns_that_are_encrypted()
    assert len(found) > 5
    assert "OutgoingWebhook.secret" in found
    assert found <= rotated, "a new one: add its column to COLUMNS"


def test_every_column_that_is_rotated_is_a_column_of_text() -> None:
    for key, columns in COLUMNS:
        for column in columns:
            assert column.class_ is key.class_
            assert isinstance(column.type, String | Text), column


def test_a_webhook_credential_is_changed_with_both_alive_in_between(app: Flask, sign_in: SignIn) -> None:
    owner = sign_in("owner")

    def make(label: str) -> dict[str, str]:
        made = owner.post("/settings/connections/", data={"label": label}).get_data(as_text=True)
        assert f"{label} may post contacts now" in made
        found = [re.search(rf'value="({pattern})"', made) for pattern in (r"lux-[0-9a-f]{8}", r"[\w-]{43}")]
        return {name: match[1] for name, match in zip(("user", "password"), found, strict=True) if match}

    def ask(credential: dict[str, str]) -> int:
        return app.test_client().get("/api/me", auth=(credential["user"], credential["password"])).status_code

    former, newer = make("Zapier"), make("Zapier, new")
    assert (ask(former), ask(newer)) == (200, 200)
    row = db.session.scalars(select(WebhookCredential.id).where(WebhookCredential.label == "Zapier")).one()
    assert owner.post(f"/settings/connections/{row}/revoke").status_code == 303
    assert (ask(former), ask(newer)) == (401, 200)


def test_an_operators_token_is_changed_with_another_alive_in_between(
    make_app: Callable[..., Flask], empty_database: None
) -> None:
    values = ["operators-token-of-the-settings-0123456789", "another-token-of-the-settings-9876543210"]
    before, after = (make_app(OPERATOR_TOKEN=value) for value in values)
    with before.app_context():
        owner = makers.signed_in_client(before, makers.make_user(role="owner"))
        form = {"label": "Night watch", "scopes": "operator", "days": "30"}
        found = re.search(r"lux_[\w-]{43}", owner.post("/settings/tokens/", data=form).get_data(as_text=True))
        db.session.remove()
    assert found is not None

    def ask(app: Flask, token: str) -> int:
        # Not from this very machine, which needs no token in development.
        headers = {"Authorization": f"Bearer {token}"}
        away = {"REMOTE_ADDR": "10.0.0.7"}
        return app.test_client().get("/api/diagnostics/errors", headers=headers, environ_base=away).status_code

    tokens = [*values, found[0]]
    assert [ask(before, token) for token in tokens] == [200, 401, 200]
    assert [ask(after, token) for token in tokens] == [401, 200, 200]


def read_stored() -> tuple[str, str]:
    """The TOTP secret and the refresh token, as they are read."""
    secret = decrypt(db.session.scalars(select(SecondFactor.secret)).one())
    return secret, decrypt(db.session.scalars(select(ReplitOAuth.refresh_token)).one() or "")
