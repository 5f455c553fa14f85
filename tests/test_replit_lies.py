"""A provider that lies signs nobody in: each lie has its sentence on the page and its reason in the audit trail."""

from __future__ import annotations

import time
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask

from accounts.replit_refusals import SENTENCES
from diagnostics.checks import check_replit
from extensions import db
from models import ReplitOAuth, User, UserSession
from tests.fakes.oidc_provider import ALL_LIES, PLANTED, WITHOUT_AT_HASH, OidcProvider
from tests.makers import Browser
from tests.replit_scene import go_through, list_reasons, sign_in


def count_entered() -> int:
    db.session.rollback()
    return sum(db.session.query(table).count() for table in (User, UserSession, ReplitOAuth))


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("lie", ALL_LIES)
def test_every_lie_is_refused_with_its_own_sentence_and_reason(
    replit_app: Flask, provider: OidcProvider, lie: str
) -> None:
    provider.lies = [lie]
    reason = lie.split()[0]
    answer = go_through(_browser(replit_app))
    page = unescape(answer.get_data(as_text=True))
    assert answer.status_code in (400, 503), page
    assert provider.lies == [], "the provider had no occasion to lie"
    assert SENTENCES[reason] in page
    assert PLANTED not in page and "alert(" not in page
    assert list_reasons() == [reason]
    assert count_entered() == 0


def test_an_id_token_may_leave_at_hash_out(replit_app: Flask, provider: OidcProvider) -> None:
    provider.lies = [WITHOUT_AT_HASH]
    assert go_through(_browser(replit_app)).status_code == 302
    assert provider.lies == []


def test_no_two_reasons_share_a_sentence() -> None:
    assert len(set(SENTENCES.values())) == len(SENTENCES)


@pytest.mark.parametrize("lie", ["of another issuer", "with plain http", "in html"])
def test_a_description_that_cannot_be_believed_is_refused(replit_app: Flask, provider: OidcProvider, lie: str) -> None:
    provider.lies = [f"description {lie}"]
    answer = _browser(replit_app).get("/auth/replit_auth/login")
    assert answer.status_code == 503
    assert SENTENCES["provider_misconfigured"] in unescape(answer.get_data(as_text=True))
    assert list_reasons() == ["provider_misconfigured"]


def test_a_provider_that_is_away_is_said_plainly_and_not_asked_by_everybody(
    replit_app: Flask, provider: OidcProvider
) -> None:
    provider.lies = ["description comes later"]
    client = _browser(replit_app)
    for _ in range(5):
        answer = client.get("/auth/replit_auth/login")
        assert answer.status_code == 503
        assert SENTENCES["provider_unreachable"] in unescape(answer.get_data(as_text=True))
    assert len(provider.asked(".well-known/openid-configuration")) == 1


def test_health_says_whether_people_can_sign_in_with_replit(
    replit_app: Flask, provider: OidcProvider, make_app: Callable[..., Flask]
) -> None:
    assert (check_replit().status, check_replit().value) == ("pass", 0)
    provider.lies = ["description comes later"]
    _browser(replit_app).get("/auth/replit_auth/login")
    found = check_replit()
    assert (found.status, found.value) == ("warn", 1)
    with make_app().app_context():
        assert check_replit().status == "pass"
        assert check_replit().text.startswith("Not configured")


def test_keys_that_come_too_slowly_are_not_waited_for(replit_app: Flask, provider: OidcProvider) -> None:
    provider.lies = ["slow_jwks"]
    started = time.monotonic()
    answer = go_through(_browser(replit_app))
    assert answer.status_code == 503
    assert time.monotonic() - started < 8
    assert list_reasons() == ["provider_unreachable"]


def test_a_rotated_key_is_fetched_and_taken(replit_app: Flask, provider: OidcProvider) -> None:
    sign_in(replit_app)
    provider.rotate_key("second")
    keys = replit_app.extensions["lux_replit"].keys
    answer = go_through(_browser(replit_app))
    assert list_reasons() == ["id_token_key"], "it asked a moment ago"
    assert answer.status_code == 400
    keys._asked_at -= 30
    assert go_through(_browser(replit_app)).status_code == 302
    assert len(provider.asked("jwks")) == 2


def _browser(app: Flask) -> Browser:
    client = app.test_client()
    assert isinstance(client, Browser)
    return client
