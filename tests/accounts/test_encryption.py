"""Stored secrets are unreadable without SESSION_SECRET and readable under each of its values."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from accounts.encryption import Undecryptable, decrypt, encrypt, is_current

OLD = "the-former-session-secret-0123456789abcdef"
NEW = "the-newest-session-secret-0123456789abcdef"


def test_what_is_encrypted_comes_back_and_does_not_show(app: Flask) -> None:
    stored = encrypt("JBSWY3DPEHPK3PXP, ключ")
    assert "JBSWY3" not in stored
    assert stored.isascii()
    assert decrypt(stored) == "JBSWY3DPEHPK3PXP, ключ"
    assert encrypt("JBSWY3DPEHPK3PXP, ключ") != stored


def test_a_former_secret_still_decrypts_and_the_new_one_encrypts(make_app: Callable[..., Flask]) -> None:
    with make_app(SESSION_SECRET=OLD).app_context():
        stored = encrypt("kept")
    with make_app(SESSION_SECRET=f"{NEW},{OLD}").app_context():
        assert decrypt(stored) == "kept"
        assert not is_current(stored)
        fresh = encrypt("kept")
        assert is_current(fresh)
    with make_app(SESSION_SECRET=NEW).app_context():
        assert decrypt(fresh) == "kept"


def test_a_lost_secret_is_said_plainly(make_app: Callable[..., Flask]) -> None:
    with make_app(SESSION_SECRET=OLD).app_context():
        stored = encrypt("gone")
    with make_app(SESSION_SECRET=NEW).app_context():
        for token in (stored, stored[:-3], "", "not a token"):
            with pytest.raises(Undecryptable, match="SESSION_SECRET"):
                decrypt(token)
