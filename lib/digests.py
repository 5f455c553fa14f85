"""Digests of secrets that are stored for recognising them, never for reading them back."""

from __future__ import annotations

import hashlib


def sha256(text: str) -> str:
    """The hexadecimal SHA-256 of a text, whatever stands in it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
