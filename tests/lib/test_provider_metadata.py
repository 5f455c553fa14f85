"""The provider's description of itself: believed about its own issuer, and about private addresses only."""

from __future__ import annotations

from typing import Any

import pytest

from lib.provider_metadata import is_private, read_metadata

ISSUER = "https://replit.com/oidc"
GOOD: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/jwks",
    "end_session_endpoint": f"{ISSUER}/session/end",
}


def test_a_good_description_is_read() -> None:
    found = read_metadata(GOOD, issuer=ISSUER, may_be_loopback=False)
    assert found is not None
    assert found.token_endpoint == "https://replit.com/oidc/token"
    assert not found.names_itself_in_answers
    url = found.end_session_url(id_token="a.b.c", client_id="me", return_to="https://lux.example/")
    assert url == (
        "https://replit.com/oidc/session/end?id_token_hint=a.b.c&client_id=me"
        "&post_logout_redirect_uri=https%3A%2F%2Flux.example%2F"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example/oidc"},
        {"token_endpoint": "http://replit.com/oidc/token"},
        {"token_endpoint": "http://127.0.0.1:9/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
        {"authorization_endpoint": 7},
        {"authorization_endpoint": "https://user@replit.com/auth"},
        {"end_session_endpoint": "javascript:alert(1)"},
    ],
)
def test_a_description_that_leads_elsewhere_is_refused(change: dict[str, Any]) -> None:
    assert read_metadata({**GOOD, **change}, issuer=ISSUER, may_be_loopback=False) is None


def test_what_is_no_description_is_refused() -> None:
    described: list[object] = [None, [], "text", {}, {"issuer": ISSUER}]
    for nonsense in described:
        assert read_metadata(nonsense, issuer=ISSUER, may_be_loopback=False) is None


def test_plain_http_is_private_on_this_very_machine_only() -> None:
    assert is_private("http://127.0.0.1:8080/oidc", may_be_loopback=True)
    assert is_private("http://localhost:8080/oidc", may_be_loopback=True)
    assert not is_private("http://127.0.0.1:8080/oidc", may_be_loopback=False)
    assert not is_private("http://127.0.0.1.evil.example/oidc", may_be_loopback=True)
    assert not is_private("http://[::1", may_be_loopback=True)


def test_a_provider_without_an_end_ends_nothing() -> None:
    found = read_metadata({**GOOD, "end_session_endpoint": None}, issuer=ISSUER, may_be_loopback=False)
    assert found is not None
    assert found.end_session_url(id_token="a", client_id="b", return_to="c") == ""
