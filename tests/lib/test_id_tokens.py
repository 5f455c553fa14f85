"""id_tokens at the edges of what is believed; whatever else comes is refused with a reason, never with a fault."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.replit_refusals import SENTENCES
from lib.id_tokens import Claims, IdTokenInvalid, check_id_token
from lib.signing_keys import usable_keys
from tests.fakes.oidc_provider import encoded, jwk_of, key_of, left_half

KEYS = usable_keys({"keys": [jwk_of("first")]})
ISSUER, CLIENT, NONCE, ACCESS = "https://id.example/oidc", "the client", "the nonce", "the access token"


def make(**changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": CLIENT,
        "sub": "4711",
        "iat": now,
        "exp": now + 3600,
        "nonce": NONCE,
        "at_hash": left_half(ACCESS),
        "email": "ada@lumen.example",
        **changes,
    }
    return jwt.PyJWS().encode(
        json.dumps(claims).encode(), key_of("first"), algorithm="RS256", headers={"kid": "first", "typ": "JWT"}
    )


def check(token: object, nonce: str | None = NONCE) -> Claims:
    return check_id_token(token, find_key=KEYS.get, issuer=ISSUER, client_id=CLIENT, nonce=nonce, access_token=ACCESS)


def reason_of(token: object) -> str:
    with pytest.raises(IdTokenInvalid) as caught:
        check(token)
    return caught.value.reason


def test_clocks_may_differ_by_a_minute() -> None:
    now = int(time.time())
    assert check(make(exp=now - 50)).subject == "4711"
    assert check(make(iat=now + 50)).subject == "4711"
    assert reason_of(make(exp=now - 70)) == "id_token_expired"
    assert reason_of(make(iat=now + 70)) == "id_token_from_the_future"
    assert reason_of(make(nbf=now + 70)) == "id_token_from_the_future"


def test_several_audiences_need_to_say_who_asked() -> None:
    assert check(make(aud=[CLIENT])).subject == "4711"
    assert check(make(aud=[CLIENT, "other"], azp=CLIENT)).subject == "4711"
    assert reason_of(make(aud=[CLIENT, "other"])) == "id_token_audience"
    assert reason_of(make(aud=["other"], azp=CLIENT)) == "id_token_audience"
    assert reason_of(make(aud=[])) == "id_token_claim_missing"


def test_names_are_taken_as_far_as_they_are_words() -> None:
    found = check(make(first_name=" Ada\u202e ", last_name=None, username=7, email="ada@lumen.example\n"))
    assert (found.name, found.username, found.email) == ("Ada", "", "ada@lumen.example")
    assert check(make(first_name=None, username="ada")).name == "ada"
    assert check(make(username=None)).name == "ada"


def test_after_a_renewal_no_nonce_is_expected() -> None:
    assert check(make(nonce=None), nonce=None).subject == "4711"


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.none(),
        st.integers(),
        st.text(max_size=60),
        st.lists(st.binary(max_size=40).map(encoded), min_size=2, max_size=4).map(".".join),
        st.dictionaries(st.text(max_size=5), st.integers(), max_size=3).map(
            lambda header: f"{encoded(json.dumps({'alg': 'RS256', 'kid': 'first', **header}).encode())}.e30.c2ln"
        ),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), st.lists, max_leaves=6).map(
            lambda value: make(sub=value if not isinstance(value, str) else [value])
        ),
        st.sampled_from(["iss", "aud", "iat", "exp", "nonce", "at_hash", "azp"]).flatmap(
            lambda name: st.one_of(st.lists(st.integers(), max_size=2), st.booleans(), st.text(max_size=5)).map(
                lambda value: make(**{name: value})
            )
        ),
    )
)
def test_whatever_comes_is_refused_with_a_reason_that_has_a_sentence(token: object) -> None:
    assert reason_of(token) in SENTENCES
