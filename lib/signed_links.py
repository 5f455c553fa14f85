"""Signed ids for links in mail: 136 bits of signature, nothing stored, no order to count along.

A new kind of link is one more number in a caller's list; the layout of a token never changes.
"""

from __future__ import annotations

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import NamedTuple

URL_SAFE = bytes.maketrans(b"+/", b"-_")
LAYOUT = struct.Struct(">BQI")
SIGNATURE_BYTES = 17
TOKEN_CHARACTERS = 40  # 30 bytes: a whole number of base64 groups, so that each token has one spelling only


class SignedId(NamedTuple):
    """What a token says: the kind of link, the row that it is about, and a number within that row."""

    kind: int
    row_id: int
    number: int


class LinkSigner:
    """Makes and reads tokens. The first secret signs, every secret is accepted: that is how one rotates."""

    def __init__(self, secrets: Sequence[str], purpose: str) -> None:
        if not secrets or not all(secrets):
            raise ValueError("A link signer needs at least one secret.")
        self._keys = [blake2b(secret.encode(), digest_size=32, person=purpose.encode()).digest() for secret in secrets]

    def sign(self, kind: int, row_id: int, number: int = 0) -> str:
        """A token of 40 characters, letters, digits, - and _ only."""
        return self.sign_bytes(kind, row_id, number).decode("ascii")

    def sign_bytes(self, kind: int, row_id: int, number: int = 0) -> bytes:
        """The same token as bytes, for a message that is bytes already."""
        payload = LAYOUT.pack(kind, row_id, number)
        signature = blake2b(payload, digest_size=SIGNATURE_BYTES, key=self._keys[0]).digest()
        return urlsafe_b64encode(payload + signature)

    def make_signing(self) -> Callable[[int, int, int], bytes]:
        """sign_bytes with everything looked up beforehand: a campaign signs a dozen ids per message."""
        pack, key, size, encode, digest = LAYOUT.pack, self._keys[0], SIGNATURE_BYTES, b2a_base64, blake2b

        def sign(kind: int, row_id: int, number: int) -> bytes:
            payload = pack(kind, row_id, number)
            signed = payload + digest(payload, digest_size=size, key=key).digest()
            return encode(signed, newline=False).translate(URL_SAFE)

        return sign

    def read(self, token: str) -> SignedId | None:
        """What the token says, or None for anything that was not signed here."""
        if len(token) != TOKEN_CHARACTERS or not token.isascii():
            return None
        if not token.replace("-", "").replace("_", "").isalnum():
            return None
        whole = urlsafe_b64decode(token)
        payload, signature = whole[: LAYOUT.size], whole[LAYOUT.size :]
        for key in self._keys:
            if hmac.compare_digest(blake2b(payload, digest_size=SIGNATURE_BYTES, key=key).digest(), signature):
                return SignedId(*LAYOUT.unpack(payload))
        return None
