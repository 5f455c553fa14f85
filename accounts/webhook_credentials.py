"""Credentials of programs that post contacts: made, listed, checked in constant time, revoked."""

from __future__ import annotations

import hashlib
import hmac

from sqlalchemy import select

from extensions import db
from models import WebhookCredential


def find_credential(username: str, password: str, *, peer: str) -> WebhookCredential | None:
    """The live credential that fits, or None; unknown users cost the same work. An empty username means Bearer."""
    digest = hashlib.sha256(password.encode("utf-8", "surrogatepass")).hexdigest()
    by_user = WebhookCredential.username == username if username else WebhookCredential.secret_sha256 == digest
    row = db.session.scalar(select(WebhookCredential).where(by_user, WebhookCredential.revoked_at.is_(None)))
    is_right = hmac.compare_digest(digest, row.secret_sha256 if row else hashlib.sha256(b"").hexdigest())
    return row if row is not None and is_right and password else None
