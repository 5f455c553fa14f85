"""Twenty people sign in at once, twenty requests renew at once: real processes, real threads, nobody gets another's."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html import unescape

import pytest
import requests
from flask.sessions import SecureCookieSessionInterface

from tests.fakes.oidc_provider import OidcProvider
from tests.servers import Lux

ROUNDS = 15
AT_ONCE = 20


@pytest.fixture
def lux(start_lux: Callable[..., Lux], provider: OidcProvider) -> Lux:
    """Two processes of eight threads, whose people sign in at the provider."""
    return start_lux(workers=2, WEB_THREADS="8", REPL_ID=provider.client_id, ISSUER_URL=provider.issuer)


def sign_in_as(lux: Lux, person: str) -> str:
    """One person's whole way with a browser of their own; the address that LUX then shows."""
    with requests.Session() as browser:
        address = f"{lux.url}/auth/replit_auth/login"
        for _ in range(3):
            answer = browser.get(address, headers={"X-Person": person}, allow_redirects=False, timeout=60)
            assert answer.status_code == 302, answer.text
            address = answer.headers["Location"]
        page = browser.get(f"{lux.url}/auth/replit_auth/replit-logout", timeout=60)
    found = re.search(r"You are signed in as (\S+)\. ", unescape(page.text))
    return found[1] if found else ""


def run_rounds(lux: Lux, rounds: int) -> int:
    """Twenty at once, so many times; how many of them landed in somebody else's account or nowhere."""
    wrong = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number in range(rounds):
            people = [str(1000 * (number % 5) + person) for person in range(AT_ONCE)]
            seen = list(pool.map(lambda person: sign_in_as(lux, person), people))
            wrong += sum(
                address != f"person{person}@lumen.example" for person, address in zip(people, seen, strict=True)
            )
    return wrong


def test_twenty_parallel_sign_ins_each_land_in_their_own_account(lux: Lux, provider: OidcProvider) -> None:
    assert run_rounds(lux, ROUNDS) == 0
    assert lux.count("audit_entries", "action = 'sign_in'") == ROUNDS * AT_ONCE
    assert lux.count("audit_entries", "action = 'replit_sign_in_refused'") == 0
    assert lux.count("users") == lux.count("replit_identities") == 5 * AT_ONCE
    assert len(provider.asked("jwks")) <= 2, "once for each process"


def test_twenty_parallel_renewals_make_one_call(lux: Lux, provider: OidcProvider) -> None:
    with requests.Session() as browser:
        browser.get(f"{lux.url}/auth/replit_auth/login", timeout=60)
        cookie = with_ended_tokens(lux, str(browser.cookies["lux"]))
    with lux.connect() as connection:
        connection.execute("UPDATE replit_oauth SET expires_at = now() - interval '1 second'")
    provider.delay_seconds = 0.5
    provider.requests.clear()

    def ask(_number: int) -> int:
        return requests.get(f"{lux.url}/waiting", cookies={"lux": cookie}, timeout=60).status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert list(pool.map(ask, range(AT_ONCE))) == [200] * AT_ONCE
    assert len(provider.asked("token")) == 1
    assert not provider.chains[0].is_ended


def with_ended_tokens(lux: Lux, cookie: str) -> str:
    """The same browser's cookie, as it is when the tokens have ended."""
    signer = SecureCookieSessionInterface().get_signing_serializer(lux.make_app())
    assert signer is not None
    return str(signer.dumps({**signer.loads(cookie), "replit_due": int(time.time()) - 1}))
