"""Passwords: hashed with argon2id, checked in the same time whether or not the account exists.

What people choose in practice is in common_passwords.txt (its licence with it); one line more refuses one more.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from functools import cache
from pathlib import Path

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
_COMMON_FILE = Path(__file__).with_name("common_passwords.txt")
# What people put around a word to make it long enough: "computer1234", "!!shadow!!".
_TRIMMINGS = re.compile(r"^([\W\d_]{0,6}).*?([\W\d_]{0,8})$", re.DOTALL)
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
    """Whether it is a password that many have, dressed up or repeated, or little is left of it without well-known
    words, runs, repeats and the person's own address.
    """
    folded = password.casefold()
    if any(_once(core) in _common_passwords() for core in _cores(folded)):
        return True
    rest = folded
    for part in (*_COMMON_PARTS, *[piece for piece in email.casefold().replace("@", ".").split(".") if len(piece) > 3]):
        rest = rest.replace(part, "")
    rest = _without_runs(rest)
    return len(set(rest)) < 5 or len(rest) < 6


def hash_password(password: str) -> str:
    """The argon2id hash to store."""
    return _hasher.hash(password)


def is_right_password(password_hash: str | None, password: str) -> bool:
    """Whether the password fits. Without a hash the same work is done and the answer is no."""
    stand_in = _stand_in_hash()  # asked for in either case: the first call of a process has to make it
    try:
        is_right = _hasher.verify(password_hash or stand_in, password[:MOST_LENGTH])
    except (VerificationError, InvalidHashError):
        return False
    return is_right and password_hash is not None


def is_outdated_hash(password_hash: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


def _cores(text: str) -> Iterator[str]:
    """The text, and what is left of it with fewer and fewer trimmings."""
    found = _TRIMMINGS.match(text)
    before, after = (len(found[1]), len(found[2])) if found else (0, 0)
    for start in range(before + 1):
        for end in range(len(text), len(text) - after - 1, -1):
            yield text[start:end]


def _once(text: str) -> str:
    """The part that the text repeats, or the text itself."""
    for length in range(4, len(text) // 2 + 1):
        if len(text) % length == 0 and text == text[:length] * (len(text) // length):
            return text[:length]
    return text


@cache
def _common_passwords() -> frozenset[str]:
    lines = _COMMON_FILE.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("# ") and line != "#")


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
