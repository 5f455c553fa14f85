"""A provider's public keys, kept in memory; an unknown one makes it ask again, rarely and once for all who wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from lib.id_tokens import ALGORITHM

FRESH_SECONDS = 3600.0
ASK_AGAIN_SECONDS = 30.0
SMALLEST_KEY_BITS = 2048
MOST_KEYS = 50


class SigningKeys:
    """The keys of one provider. `ask` fetches its key set and raises what it likes when it cannot."""

    def __init__(self, ask: Callable[[], object], *, now: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._now = now
        self._lock = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked_at = float("-inf")

    def find(self, kid: str) -> jwt.PyJWK | None:
        """The key of that id. Asks the provider when it is unknown or an hour old, once in 30 s at most."""
        seen = self._asked_at
        if kid in self._keys and self._now() - seen < FRESH_SECONDS:
            return self._keys[kid]
        with self._lock:
            # Whoever waited for another's answer takes that answer.
            if self._asked_at == seen and self._now() - seen >= ASK_AGAIN_SECONDS:
                self._asked_at = self._now()
                self._keys = usable_keys(self._ask())
            return self._keys.get(kid)


def usable_keys(answer: object) -> dict[str, jwt.PyJWK]:
    """The RSA keys of a key set that may sign, by id; everything else in it is passed over."""
    found: dict[str, jwt.PyJWK] = {}
    listed = answer.get("keys") if isinstance(answer, dict) else None
    for row in listed[:MOST_KEYS] if isinstance(listed, list) else []:
        key = _usable(row)
        if key is not None and key.key_id:
            found[key.key_id] = key
    return found


def _usable(row: Any) -> jwt.PyJWK | None:
    is_candidate = isinstance(row, dict) and row.get("kty") == "RSA" and isinstance(row.get("kid"), str)
    if not is_candidate or row.get("use", "sig") != "sig" or row.get("alg", ALGORITHM) != ALGORITHM:
        return None
    try:
        key = jwt.PyJWK({"kty": "RSA", "kid": row["kid"], "n": row["n"], "e": row["e"]}, algorithm=ALGORITHM)
    except (jwt.PyJWTError, KeyError, ValueError, TypeError):
        return None
    is_strong = isinstance(key.key, RSAPublicKey) and key.key.key_size >= SMALLEST_KEY_BITS
    return key if is_strong else None
