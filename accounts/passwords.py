"""Passwords: hashed with argon2id, checked in the same time whether or not the account exists."""

from __future__ import annotations

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LEAST_LENGTH = 12
MOST_LENGTH = 256

# Parameters of RFC 9106, second recommended option, with less memory for small machines.
_hasher = PasswordHasher(time_cost=3, memory_cost=19_456, parallelism=1)

_COMMON_PARTS = (
    "password", "passwort", "qwerty", "qwertz", "letmein", "welcome", "iloveyou", "admin", "changeme", "monkey",
    "dragon", "football", "baseball", "superman", "trustno1", "starwars", "sunshine", "princess", "azerty", "abc123",
)  # fmt: skip
_RUNS = "abcdefghijklmnopqrstuvwxyz 01234567890123456789 qwertyuiop asdfghjkl zxcvbnm 98765432109876543210"


def find_password_complaint(password: str, *, email: str = "") -> str | None:
    """The sentence that says why a password is refused, or None when it is good."""
    if len(password) < LEAST_LENGTH:
        return f"Use at least {LEAST_LENGTH} characters; a few words in a row work well."
    if len(password) > MOST_LENGTH:
        return f"Use at most {MOST_LENGTH} characters."
    if is_common(password, email=email):
        return "This password is easy to guess. Choose one that nobody else would think of."
    return None


def is_common(password: str, *, email: str = "") -> bool:
    """Whether little is left of the password without well-known words, runs, repeats and the person's own address."""
    rest = password.casefold()
    for part in (*_COMMON_PARTS, *[piece for piece in email.casefold().replace("@", ".").split(".") if len(piece) > 3]):
        rest = rest.replace(part, "")
    rest = _without_runs(rest)
    return len(set(rest)) < 5 or len(rest) < 6


def hash_password(password: str) -> str:
    """The argon2id hash to store."""
    return _hasher.hash(password)


def is_right_password(password_hash: str | None, password: str) -> bool:
    """Whether the password fits. Without a hash the same work is done and the answer is no."""
    try:
        is_right = _hasher.verify(password_hash or _stand_in_hash(), password[:MOST_LENGTH])
    except (VerificationError, InvalidHashError):
        return False
    return is_right and password_hash is not None


def is_outdated_hash(password_hash: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


def _without_runs(text: str) -> str:
    kept: list[str] = []
    for letter in text:
        is_run = bool(kept) and (kept[-1] == letter or kept[-1] + letter in _RUNS)
        if not is_run:
            kept.append(letter)
        else:
            kept[-1] = letter
    return "".join(kept)


@cache
def _stand_in_hash() -> str:
    return _hasher.hash(secrets.token_urlsafe(32))
