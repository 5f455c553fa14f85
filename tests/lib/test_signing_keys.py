"""The provider's keys: asked for rarely, once for all who wait, and only usable ones believed."""

from __future__ import annotations

import threading
import time
from typing import Any

from lib.signing_keys import SigningKeys, usable_keys
from tests.fakes.oidc_provider import jwk_of


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_an_unknown_key_is_asked_for_once_in_thirty_seconds() -> None:
    published, asked, clock = ["first"], [], Clock()

    def ask() -> dict[str, Any]:
        asked.append(clock.seconds)
        return {"keys": [jwk_of(kid) for kid in published]}

    keys = SigningKeys(ask, now=clock)
    assert keys.find("first") is not None
    published[:] = ["second"]
    clock.seconds += 29
    assert keys.find("second") is None
    assert len(asked) == 1
    clock.seconds += 1
    assert keys.find("second") is not None
    assert keys.find("first") is None
    assert len(asked) == 2


def test_keys_are_asked_for_again_after_an_hour() -> None:
    asked, clock = [], Clock()

    def ask() -> dict[str, Any]:
        asked.append(1)
        return {"keys": [jwk_of("first")]}

    keys = SigningKeys(ask, now=clock)
    assert keys.find("first") is not None
    clock.seconds += 3599
    assert keys.find("first") is not None
    assert len(asked) == 1
    clock.seconds += 2
    assert keys.find("first") is not None
    assert len(asked) == 2


def test_twenty_who_wait_for_the_same_key_ask_once() -> None:
    asked, found, start = [], [], threading.Barrier(20)

    def ask() -> dict[str, Any]:
        asked.append(1)
        time.sleep(0.2)
        return {"keys": [jwk_of("first")]}

    keys = SigningKeys(ask)

    def look() -> None:
        start.wait()
        found.append(keys.find("first"))

    threads = [threading.Thread(target=look) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1
    assert all(found)
    assert len(found) == 20


def test_only_strong_rsa_keys_for_signing_are_used() -> None:
    good = jwk_of("first")
    listed = [
        good,
        {**good, "kid": "encrypts", "use": "enc"},
        {**good, "kid": "other algorithm", "alg": "RS512"},
        {**good, "kid": 7},
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
        {"kty": "RSA", "kid": "no numbers"},
        {"kty": "RSA", "kid": "nonsense", "n": "!!!", "e": "AQAB"},
        jwk_of("weak"),
        "not a key",
        None,
    ]
    assert list(usable_keys({"keys": listed})) == ["first"]


def test_a_key_set_that_is_none_has_no_keys() -> None:
    answers: list[object] = [None, [], "keys", {"keys": {"kid": "first"}}, {"keys": None}, {}]
    for nonsense in answers:
        assert usable_keys(nonsense) == {}
