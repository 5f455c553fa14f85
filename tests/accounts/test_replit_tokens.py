"""The provider's tokens: renewed in time, once for all who wait, and never at the cost of a session without cause."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from accounts import replit_tokens
from accounts.encryption import decrypt
from accounts.replit_tokens import find_id_token
from extensions import db
from models import AuditEntry, ReplitOAuth
from tests.fakes.oidc_provider import ID_TOKEN_LIES, TOKEN_LIES, OidcProvider
from tests.makers import Browser
from tests.replit_scene import sign_in, who

# A page for whoever is signed in, with a role or without.
PAGE = "/waiting"


def stored() -> ReplitOAuth:
    db.session.rollback()
    db.session.expire_all()
    return db.session.scalars(select(ReplitOAuth)).one()


def end_tokens(client: Browser) -> None:
    """The access token ends now, as the database and the browser see it."""
    db.session.execute(text("UPDATE replit_oauth SET expires_at = now() - interval '1 second', retry_at = NULL"))
    db.session.commit()
    with client.session_transaction() as cookie:
        cookie["replit_due"] = int(time.time()) - 1


def refreshes(provider: OidcProvider) -> list[dict[str, str]]:
    return [given for given in provider.asked("token") if given["grant_type"] == "refresh_token"]


def test_nothing_is_asked_before_the_tokens_end(replit_app: Flask, provider: OidcProvider) -> None:
    client = sign_in(replit_app)
    for _ in range(3):
        assert client.get(PAGE).status_code == 200
    assert refreshes(provider) == []


def test_ended_tokens_are_renewed_and_the_session_goes_on(replit_app: Flask, provider: OidcProvider) -> None:
    client = sign_in(replit_app)
    before = stored()
    former = (before.access_token, decrypt(before.refresh_token or ""))
    end_tokens(client)
    assert client.get(PAGE).status_code == 200
    after = stored()
    assert len(refreshes(provider)) == 1
    assert refreshes(provider)[0] == {
        "grant_type": "refresh_token",
        "refresh_token": former[1],
        "client_id": provider.client_id,
    }
    assert after.access_token != former[0]
    assert decrypt(after.refresh_token or "") == provider.chains[0].newest != former[1]
    assert after.refreshed_at is not None
    assert client.get(PAGE).status_code == 200
    assert len(refreshes(provider)) == 1


def test_the_old_refresh_token_is_kept_when_no_new_one_comes(replit_app: Flask, provider: OidcProvider) -> None:
    provider.rotates_refresh_tokens = False
    client = sign_in(replit_app)
    kept = decrypt(stored().refresh_token or "")
    for _ in range(3):
        end_tokens(client)
        assert client.get(PAGE).status_code == 200
        assert decrypt(stored().refresh_token or "") == kept
    assert len(refreshes(provider)) == 3


def test_without_a_refresh_token_the_session_lives_by_our_own_limits(replit_app: Flask, provider: OidcProvider) -> None:
    provider.sends_refresh_tokens = False
    client = sign_in(replit_app)
    assert stored().refresh_token is None
    end_tokens(client)
    assert client.get(PAGE).status_code == 200
    assert refreshes(provider) == []


def test_a_sign_in_that_the_provider_takes_back_ends_here_too(replit_app: Flask, provider: OidcProvider) -> None:
    client = sign_in(replit_app)
    provider.chains[0].is_ended = True
    end_tokens(client)
    answer = client.get(PAGE)
    assert answer.headers["Location"].startswith("/sign-in")
    assert "Replit has ended your sign-in." in client.get("/sign-in").get_data(as_text=True)
    assert "Nobody is signed in" in who(client)
    assert db.session.scalars(select(ReplitOAuth)).all() == []
    ended = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "replit_session_ended")).one()
    assert ended.detail == {"reason": "token_refused"}


def test_a_refresh_token_used_a_second_time_ends_the_sign_in(replit_app: Flask, provider: OidcProvider) -> None:
    client = sign_in(replit_app)
    copied = stored().refresh_token
    end_tokens(client)
    client.get(PAGE)
    db.session.execute(text("UPDATE replit_oauth SET refresh_token = :copied"), {"copied": copied})
    end_tokens(client)
    assert client.get(PAGE).headers["Location"].startswith("/sign-in")
    assert provider.chains[0].is_ended


@pytest.mark.parametrize("lie", [lie for lie in TOKEN_LIES if not lie.startswith("token_refused")])
def test_a_provider_in_trouble_ends_nobodys_session(replit_app: Flask, provider: OidcProvider, lie: str) -> None:
    client = sign_in(replit_app)
    provider.lies = [lie]
    end_tokens(client)
    for _ in range(4):
        assert client.get(PAGE).status_code == 200
    assert len(refreshes(provider)) == 1, "it is asked again in a minute, not at once"
    retry_at = stored().retry_at
    assert retry_at is not None
    end_tokens(client)
    assert client.get(PAGE).status_code == 200
    assert len(refreshes(provider)) == 2
    assert stored().retry_at is None


def test_the_session_of_a_provider_that_stays_away_has_its_absolute_end(
    replit_app: Flask, provider: OidcProvider
) -> None:
    client = sign_in(replit_app)
    provider.lies = ["provider_unreachable 500"]
    end_tokens(client)
    assert client.get(PAGE).status_code == 200
    db.session.execute(text("UPDATE user_sessions SET created_at = now() - interval '31 days'"))
    db.session.commit()
    assert client.get(PAGE).headers["Location"].startswith("/sign-in")


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize(
    "lie",
    [
        *(lie for lie in ID_TOKEN_LIES if not lie.startswith(("id_token_nonce", "id_token_missing"))),
        "id_token_of_another_person",
        "id_token_missing too large",
    ],
)
def test_a_lie_during_the_renewal_ends_the_session(replit_app: Flask, provider: OidcProvider, lie: str) -> None:
    client = sign_in(replit_app)
    provider.lies = [lie]
    end_tokens(client)
    assert client.get(PAGE).headers["Location"].startswith("/sign-in")
    ended = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "replit_session_ended")).one()
    assert ended.detail["reason"] == lie.split()[0]


def test_a_renewal_without_an_id_token_keeps_the_former_one(replit_app: Flask, provider: OidcProvider) -> None:
    client = sign_in(replit_app)
    kept = stored().id_token
    provider.lies = ["id_token_missing"]
    end_tokens(client)
    assert client.get(PAGE).status_code == 200
    assert stored().id_token == kept


def test_twenty_requests_at_once_renew_once(replit_app: Flask, provider: OidcProvider) -> None:
    client = sign_in(replit_app)
    end_tokens(client)
    provider.delay_seconds = 0.3
    cookies = [found for name in ("lux", "lux-replit") if (found := client.get_cookie(name)) is not None]

    def ask(_number: int) -> Any:
        other = replit_app.test_client()
        for cookie in cookies:
            other.set_cookie(cookie.key, cookie.value, domain=cookie.domain, path=cookie.path)
        return other.get(PAGE).status_code

    db.session.remove()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(20))) == [200] * 20
    assert len(refreshes(provider)) == 1
    assert not provider.chains[0].is_ended


def test_whoever_waits_too_long_for_another_goes_on_signed_in(
    replit_app: Flask, provider: OidcProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replit_tokens, "LONGEST_WAIT", "100ms")
    client = sign_in(replit_app)
    end_tokens(client)
    with db.engine.connect() as other:
        other.execute(text("SELECT 1 FROM replit_oauth FOR UPDATE"))
        assert client.get(PAGE).status_code == 200
    assert refreshes(provider) == []


def test_the_id_token_is_read_back_for_signing_out(replit_app: Flask, provider: OidcProvider) -> None:
    client = sign_in(replit_app)
    with client.session_transaction() as cookie:
        assert (find_id_token(cookie["token"]) or "").count(".") == 2
    assert find_id_token("another browser") is None
