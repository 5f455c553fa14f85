"""Sign in with Replit: each way is used once, by the browser that set out, and leads back to LUX and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, text
from werkzeug.test import TestResponse

from accounts.replit_refusals import SENTENCES
from extensions import db
from models import AuditEntry, ReplitAttempt, ReplitOAuth, User
from tests import makers
from tests.fakes.oidc_provider import OidcProvider
from tests.makers import Browser
from tests.replit_scene import (
    BASE,
    go_through,
    list_reasons,
    parameters_of,
    set_out,
    sign_in,
    visit_provider,
    who,
)


def browser(app: Flask) -> Browser:
    client = app.test_client()
    assert isinstance(client, Browser)
    return client


def is_refused(answer: TestResponse, reason: str) -> bool:
    """Whether the answer says so, and the audit trail last said so too."""
    return SENTENCES[reason] in unescape(answer.get_data(as_text=True)) and list_reasons()[-1] == reason


def test_a_new_person_waits_for_approval(replit_app: Flask, provider: OidcProvider) -> None:
    provider.people["4711"] = {"email": "ada@lumen.example", "first_name": "Ada", "last_name": "Lovelace"}
    client = browser(replit_app)
    assert go_through(client).headers["Location"] == "/"
    user = db.session.scalars(select(User)).one()
    assert (user.email, user.name, user.role, user.password_hash) == ("ada@lumen.example", "Ada Lovelace", None, None)
    assert client.get("/").headers["Location"] == "/waiting"
    entries = [row.action for row in db.session.scalars(select(AuditEntry).order_by(AuditEntry.id))]
    assert entries == ["replit_account_made", "sign_in"]


def test_the_way_to_the_provider_says_what_it_must(replit_app: Flask, provider: OidcProvider) -> None:
    said = parameters_of(set_out(browser(replit_app)))
    assert said["client_id"] == provider.client_id
    assert said["response_type"] == "code"
    assert said["scope"].split() == ["openid", "profile", "email", "offline_access"]
    assert said["prompt"] == "login consent"
    assert said["code_challenge_method"] == "S256"
    assert said["redirect_uri"] == "http://127.0.0.1:5000/auth/replit_auth/authorized"
    assert min(len(said[name]) for name in ("state", "nonce", "code_challenge")) >= 43


def test_the_way_back_is_never_taken_from_the_host_header(replit_app: Flask, provider: OidcProvider) -> None:
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    said = parameters_of(set_out(browser(replit_app), headers=headers))
    assert said["redirect_uri"] == "http://127.0.0.1:5000/auth/replit_auth/authorized"


def test_on_replit_the_way_back_is_its_first_domain(
    make_app: Callable[..., Flask], provider: OidcProvider, empty_database: None
) -> None:
    app = make_app(
        REPL_ID=provider.client_id, ISSUER_URL=provider.issuer, REPLIT_DOMAINS="lux.replit.example,other.example"
    )
    said = parameters_of(set_out(browser(app)))
    assert said["redirect_uri"] == "https://lux.replit.example/auth/replit_auth/authorized"


def test_what_belongs_to_an_attempt_is_stored_hashed_or_encrypted(replit_app: Flask, provider: OidcProvider) -> None:
    client = browser(replit_app)
    said = parameters_of(set_out(client))
    row = db.session.execute(text("SELECT * FROM replit_attempts")).one()
    stored = " ".join(str(value) for value in row)
    key = client.get_cookie("lux-replit")
    assert key is not None
    for secret in (said["state"], said["nonce"], key.value):
        assert secret not in stored


def test_tokens_are_encrypted_at_rest_and_never_logged(replit_app: Flask, provider: OidcProvider) -> None:
    sign_in(replit_app)
    stored = db.session.execute(text("SELECT access_token, refresh_token, id_token FROM replit_oauth")).one()
    refresh = provider.chains[0].newest
    assert all(str(value).startswith("gAAAA") for value in stored)
    assert refresh not in " ".join(stored)
    log = Path(replit_app.config["LUX"].app_log)
    written = log.read_text() if log.exists() else ""
    assert refresh not in written and "eyJ" not in written


def test_a_way_works_once(replit_app: Flask, provider: OidcProvider) -> None:
    client = browser(replit_app)
    back = visit_provider(set_out(client))
    assert client.get(back).status_code == 302
    assert is_refused(client.get(back), "state_used")
    assert len(provider.asked("token")) == 1


def test_a_way_of_another_browser_is_refused_and_is_over(replit_app: Flask, provider: OidcProvider) -> None:
    mine, other = browser(replit_app), browser(replit_app)
    back = visit_provider(set_out(mine))
    set_out(other)
    assert is_refused(other.get(back), "state_of_another_browser")
    assert is_refused(browser(replit_app).get(back), "state_used")
    assert provider.asked("token") == []


def test_a_way_lasts_ten_minutes(replit_app: Flask, provider: OidcProvider) -> None:
    client = browser(replit_app)
    back = visit_provider(set_out(client))
    db.session.execute(text("UPDATE replit_attempts SET expires_at = now() - interval '1 second'"))
    db.session.commit()
    assert is_refused(client.get(back), "state_expired")


def test_several_tabs_may_be_on_their_way(replit_app: Flask, provider: OidcProvider) -> None:
    client = browser(replit_app)
    first, second = set_out(client), set_out(client)
    assert client.get(visit_provider(first)).status_code == 302
    assert client.get(visit_provider(second)).status_code == 302
    assert db.session.scalars(select(User)).one() is not None


def test_a_peer_that_sets_out_a_hundred_times_has_to_wait(replit_app: Flask, provider: OidcProvider) -> None:
    for _ in range(100):
        set_out(browser(replit_app))
    answer = browser(replit_app).get(f"{BASE}/login")
    assert answer.status_code == 429
    assert is_refused(answer, "too_many_attempts")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/contacts?q=a", "/contacts?q=a"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\t/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_afterwards_it_goes_on_within_lux_only(
    replit_app: Flask, provider: OidcProvider, given: str, expected: str
) -> None:
    client = browser(replit_app)
    address = client.get(f"{BASE}/login", query_string={"next": given}, headers={"Referer": "https://evil.example/x"})
    assert client.get(visit_provider(address.headers["Location"])).headers["Location"] == expected


def test_a_second_sign_in_is_the_same_person_whatever_their_address(replit_app: Flask, provider: OidcProvider) -> None:
    sign_in(replit_app, "4711")
    provider.people["4711"] = {"email": "moved@lumen.example"}
    client = sign_in(replit_app, "4711")
    user = db.session.scalars(select(User)).one()
    assert user.email == "person4711@lumen.example"
    assert "person4711@lumen.example" in who(client)


def test_another_issuer_with_the_same_subject_is_another_person(
    replit_app: Flask, make_app: Callable[..., Flask], provider: OidcProvider
) -> None:
    sign_in(replit_app, "4711")
    with OidcProvider() as other:
        other.people["4711"] = {"email": "else@lumen.example"}
        sign_in(make_app(REPL_ID=other.client_id, ISSUER_URL=other.issuer), "4711")
    assert len(db.session.scalars(select(User)).all()) == 2


def test_a_disabled_person_stays_out(replit_app: Flask, provider: OidcProvider) -> None:
    sign_in(replit_app)
    db.session.execute(text("UPDATE users SET state = 'disabled'"))
    db.session.commit()
    answer = go_through(browser(replit_app))
    assert answer.status_code == 403
    assert is_refused(answer, "account_disabled")


def test_whoever_was_signed_in_on_the_browser_is_not_any_more(replit_app: Flask, provider: OidcProvider) -> None:
    client = makers.signed_in_client(replit_app, makers.make_user(email="before@lumen.example"))
    go_through(client)
    assert "before@lumen.example" not in who(client)
    ended = db.session.execute(text("SELECT count(*) FROM user_sessions WHERE ended_at IS NOT NULL")).scalar()
    assert ended == 1


def test_signing_out_by_get_only_asks(replit_app: Flask, provider: OidcProvider) -> None:
    client = sign_in(replit_app)
    page = who(client)
    assert "Signing out ends this session here, and then the one at Replit." in page
    assert "person1@lumen.example" in who(client)


def test_signing_out_needs_the_forms_token(replit_app: Flask, provider: OidcProvider) -> None:
    client = sign_in(replit_app)
    assert client.post(f"{BASE}/replit-logout").status_code == 400
    assert "person1@lumen.example" in who(client)


def test_signing_out_ends_it_here_first_and_then_at_the_provider(replit_app: Flask, provider: OidcProvider) -> None:
    client = sign_in(replit_app)
    answer = log_out(client)
    page = unescape(answer.get_data(as_text=True))
    assert "Nobody is signed in on this browser." in who(client)
    match = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', page)
    assert match is not None
    assert match[1].startswith(f"{provider.issuer}/session/end?")
    said = parameters_of(match[1])
    assert said["post_logout_redirect_uri"] == "http://127.0.0.1:5000/"
    assert said["client_id"] == provider.client_id
    assert said["id_token_hint"].count(".") == 2


def test_signing_out_works_while_the_provider_is_away(make_app: Callable[..., Flask], empty_database: None) -> None:
    provider = OidcProvider()
    with provider:
        app = make_app(REPL_ID=provider.client_id, ISSUER_URL=provider.issuer)
        with app.app_context():
            client = sign_in(app)
            provider.stop()
            app.extensions.pop("lux_replit")
            answer = log_out(client)
            assert answer.headers["Location"] == "/sign-in"
            assert "Replit does not answer" in client.get("/sign-in").get_data(as_text=True)
            assert "Nobody is signed in on this browser." in who(client)


def test_without_a_repl_id_there_is_no_button_and_no_way(client: Browser) -> None:
    assert "Replit" not in client.get("/sign-in").get_data(as_text=True)
    for path in ("login", "authorized?code=a&state=b"):
        answer = client.get(f"{BASE}/{path}")
        assert answer.status_code == 404
        assert "Sign in with Replit is not set up here." in answer.get_data(as_text=True)
    assert db.session.scalars(select(ReplitAttempt)).all() == []


def test_with_a_repl_id_there_is_a_button(replit_app: Flask, provider: OidcProvider) -> None:
    page = makers.soup(browser(replit_app).get("/sign-in?next=/contacts"))
    button = page.find("a", string=re.compile("Sign in with Replit"))
    assert button is not None
    assert button["href"] == "/auth/replit_auth/login?next=/contacts"
    assert not button.has_attr("target")


def test_in_a_frame_the_button_opens_a_tab_of_its_own(replit_app: Flask, provider: OidcProvider) -> None:
    client = browser(replit_app)
    framed = {"Sec-Fetch-Dest": "iframe"}
    for path in ("/sign-in", f"{BASE}/login"):
        answer = client.get(path, headers=framed)
        link = makers.soup(answer).find("a", href=re.compile("replit_auth/login"))
        assert link is not None
        assert link["target"] == "_blank"
        assert f"frame-ancestors {provider.origin};" in answer.headers["Content-Security-Policy"] + ";"
    assert "frame-ancestors 'none'" in client.get(f"{BASE}/replit-logout").headers["Content-Security-Policy"]
    assert db.session.scalars(select(ReplitAttempt)).all() == []


def test_in_production_nothing_may_frame_the_card_and_cookies_are_for_this_host_only(
    make_app: Callable[..., Flask], empty_database: None
) -> None:
    app = make_app(
        LUX_ENV="production", LUX_PUBLIC_URL="https://lux.example", REPL_ID="me", ISSUER_URL="https://id.example/oidc"
    )
    answer = browser(app).get("/sign-in", base_url="https://lux.example")
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Set-Cookie"].startswith("__Host-lux=")


def test_the_cookie_of_a_way_is_for_this_host_only(
    make_app: Callable[..., Flask], provider: OidcProvider, empty_database: None
) -> None:
    app = make_app(REPL_ID=provider.client_id, ISSUER_URL=provider.issuer, LUX_PUBLIC_URL="https://lux.example")
    answer = browser(app).get(f"{BASE}/login", base_url="https://lux.example")
    cookie = next(value for value in answer.headers.getlist("Set-Cookie") if "replit" in value)
    assert cookie.startswith("__Host-lux-replit=")
    for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert word in cookie
    assert "Domain" not in cookie


def test_a_refusal_is_not_written_down_for_ever(replit_app: Flask, provider: OidcProvider) -> None:
    client = browser(replit_app)
    for number in range(105):
        client.get(f"{BASE}/authorized?code=a&state={number}")
    assert len(list_reasons()) == 100


def test_with_a_second_factor_the_code_is_asked_for_here_too(replit_app: Flask, provider: OidcProvider) -> None:
    sign_in(replit_app)
    db.session.execute(
        text("INSERT INTO second_factors (user_id, secret, confirmed_at) SELECT id, 'x', now() FROM users")
    )
    db.session.commit()
    client = browser(replit_app)
    assert go_through(client).headers["Location"] == "/sign-in/code"
    assert "Nobody is signed in on this browser." in who(client)
    assert len(db.session.scalars(select(ReplitOAuth)).all()) == 1


def log_out(client: Browser) -> TestResponse:
    """Presses the button of the confirm page."""
    token = makers.soup(client.get(f"{BASE}/replit-logout")).find("input", {"name": "csrf_token"})
    assert token is not None
    return client.post(f"{BASE}/replit-logout", data={"csrf_token": token["value"]})
