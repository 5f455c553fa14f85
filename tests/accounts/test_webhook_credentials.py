"""Credentials are generated, hashed, compared in constant time, shown once, revoked at once."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from accounts.webhook_credentials import (
    NewCredential,
    add_credential,
    ensure_first_credential,
    find_credential,
    find_first_credential,
    forget_first_credential,
    is_credential_live,
    list_credentials,
    revoke_credential,
)
from config import current_settings
from errors import InputInvalid, NotFound, TooMany
from extensions import db
from models import WebhookCredential
from tests.makers import make_user

MakeApp = Callable[..., Flask]


@pytest.fixture
def made(app: Flask) -> Iterator[NewCredential]:
    yield add_credential("Zapier", by=None)
    forget_first_credential()


def test_a_generated_credential_has_256_bits_in_plain_letters(made: NewCredential) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", made.password)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", made.username)
    row = db.session.get(WebhookCredential, made.id)
    assert row is not None
    assert row.secret_sha256 == hashlib.sha256(made.password.encode()).hexdigest()


def test_basic_and_bearer_find_it(made: NewCredential) -> None:
    for username in (made.username, ""):
        found = find_credential(username, made.password, peer="10.0.0.1")
        assert found is not None
        assert found.id == made.id


@pytest.mark.parametrize(("username", "password"), [("", ""), ("nobody", "x"), ("\ud800", "\udfff"), ("", "wrong")])
def test_nothing_else_does(made: NewCredential, username: str, password: str) -> None:
    assert find_credential(username, password, peer="10.0.0.2") is None
    assert find_credential(made.username, password, peer="10.0.0.2") is None
    assert find_credential("nobody", made.password, peer="10.0.0.2") is None


def test_a_revoked_one_is_gone_at_once(made: NewCredential) -> None:
    revoke_credential(made.id, by=make_user())
    assert find_credential(made.username, made.password, peer="10.0.0.3") is None
    assert not is_credential_live(made.id)
    assert [row.revoked_at is None for row in list_credentials()] == [False]


def test_revoking_what_is_not_there_says_so(app: Flask) -> None:
    with pytest.raises(NotFound):
        revoke_credential(999, by=make_user())


def test_a_peer_that_guesses_is_slowed_down_and_a_good_credential_is_not(made: NewCredential) -> None:
    def guess() -> None:
        for number in range(100):
            find_credential("zapier", f"guess {number}", peer="10.9.9.9")

    with pytest.raises(TooMany) as caught:
        guess()
    assert caught.value.retry_after_seconds >= 1
    assert find_credential(made.username, made.password, peer="10.9.9.9") is not None
    assert find_credential("zapier", "guess", peer="10.9.9.8") is None


def test_the_settings_credential_counts_and_follows_the_settings(make_app: MakeApp, app: Flask) -> None:
    with make_app(ZAPIER_USERNAME="zapier", ZAPIER_PASSWORD="first-password-0123").app_context():
        assert find_credential("zapier", "first-password-0123", peer="10.0.0.4") is not None
        row = db.session.query(WebhookCredential).one()
        with pytest.raises(InputInvalid):
            revoke_credential(row.id, by=make_user())
    with make_app(ZAPIER_USERNAME="zapier", ZAPIER_PASSWORD="second-password-0123").app_context():
        assert find_credential("zapier", "second-password-0123", peer="10.0.0.4") is not None
        assert find_credential("zapier", "first-password-0123", peer="10.0.0.4") is None
    with make_app().app_context():
        assert find_credential("zapier", "second-password-0123", peer="10.0.0.4") is None


def test_the_first_credential_is_made_once_and_kept_for_the_owners_eyes(app: Flask) -> None:
    first = ensure_first_credential()
    assert first is not None
    assert ensure_first_credential() is None
    assert find_first_credential() == first
    kept = current_settings().lux_data_dir / "first_webhook_credential.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    forget_first_credential()
    assert find_first_credential() is None
    assert find_credential(first.username, first.password, peer="10.0.0.5") is not None


def test_revoking_the_first_credential_forgets_its_password(app: Flask) -> None:
    first = ensure_first_credential()
    assert first is not None
    revoke_credential(first.id, by=make_user())
    assert find_first_credential() is None


def test_no_first_credential_where_the_settings_have_one(make_app: MakeApp, app: Flask) -> None:
    with make_app(ZAPIER_USERNAME="zapier", ZAPIER_PASSWORD="a-password-0123456789").app_context():
        assert ensure_first_credential() is None


def test_the_copy_for_bad_times_holds_no_password(made: NewCredential) -> None:
    find_credential(made.username, made.password, peer="10.0.0.6")
    copy = current_settings().lux_data_dir / "webhook_credentials.json"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert made.password not in copy.read_text()
    assert made.username in copy.read_text()
