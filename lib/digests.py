"""Digests of secrets that are stored for recognising them, never for reading them back, and how they are compared."""

from __future__ import annotations

import hashlib
import hmac


def sha256(text: str) -> str:
    """The hexadecimal SHA-256 of a text, whatever stands in it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_same(given: str, expected: str) -> bool:
    """Whether two texts are the same, whatever stands in them, in a time that does not tell where they differ."""
    return hmac.compare_digest(sha256(given), sha256(expected))
