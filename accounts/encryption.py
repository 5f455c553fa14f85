"""Secrets that LUX must be able to read again (tokens, TOTP secrets), kept unreadable in the database.

To keep such a secret, encrypt() it into a text column and add that column to COLUMNS in accounts/rotation.py.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from config import current_settings
from errors import LuxError

PURPOSE = b"lux token encryption v1"


class Undecryptable(LuxError):
    """What is stored was encrypted with a SESSION_SECRET that is no longer among the settings."""

    status = 503
    title = "A stored secret cannot be read"

    def __init__(self) -> None:
        super().__init__(
            "A stored secret was encrypted with a SESSION_SECRET that LUX no longer has. "
            "Add the former value after the new one, separated by a comma, and start LUX again."
        )


def encrypt(text: str) -> str:
    """The text as a Fernet token under the first SESSION_SECRET; no two are alike."""
    return _cipher(current_settings().session_secrets).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """What encrypt() was given, under any of the SESSION_SECRET values; raises Undecryptable."""
    try:
        return _cipher(current_settings().session_secrets).decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise Undecryptable from error


def is_current(token: str) -> bool:
    """Whether the first SESSION_SECRET encrypted it: then the later ones are not needed for it."""
    try:
        _cipher(current_settings().session_secrets[:1]).decrypt(token.encode())
    except InvalidToken:
        return False
    return True


@lru_cache(maxsize=8)  # HKDF for each call would cost more than the decryption
def _cipher(secrets: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(_key(secret)) for secret in secrets])


def _key(secret: str) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.encode())
    return urlsafe_b64encode(derived)
