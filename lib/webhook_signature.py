"""The signature of a webhook as Standard Webhooks has it, so that its libraries in every language check it.

Source: the specification at standardwebhooks.com: `webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature`
(`v1,` and the base64 of an HMAC-SHA256 over id, timestamp and body with full stops between; several by blanks).
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence

from lib.digests import is_same

PREFIX = "whsec_"
SECRET_BYTES = 32
TOLERANCE_SECONDS = 300


def make_secret() -> str:
    """A new secret in the form that receivers' libraries take."""
    return PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def make_message_id() -> str:
    """A new id: the same over all attempts, so that a receiver knows a repetition."""
    return f"msg_{secrets.token_hex(16)}"


def sign(secrets_in_use: Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of one attempt; with two secrets two signatures, so that a change of secret breaks nothing."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    signatures = [f"v1,{b64encode(_digest(secret, signed)).decode()}" for secret in secrets_in_use]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, *, now: float) -> bool:
    """Whether a receiver with this secret should believe the headers; for the page that explains it, and for tests."""
    try:
        timestamp = int(headers["webhook-timestamp"])
        given = [part.partition(",") for part in headers["webhook-signature"].split()]
        message_id = headers["webhook-id"]
        expected = b64encode(_digest(secret, b".".join((message_id.encode(), str(timestamp).encode(), body)))).decode()
    except (KeyError, ValueError, binascii.Error):
        return False
    if abs(now - timestamp) > TOLERANCE_SECONDS:
        return False
    return any(version == "v1" and is_same(value, expected) for version, _, value in given)


def _digest(secret: str, signed: bytes) -> bytes:
    return hmac.new(b64decode(secret.removeprefix(PREFIX), validate=True), signed, hashlib.sha256).digest()
