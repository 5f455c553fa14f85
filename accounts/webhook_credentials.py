"""Credentials of programs that post contacts: made, listed, checked in constant time, revoked.

All live ones are kept in memory for seconds and on disk for the time when the database is away: a body that comes then
must still be let in. A revoked one is refused at once all the same, because the inbox row is only written for a
credential that lives.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import os
import secrets
import threading
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from flask import current_app
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from accounts.audit import add_audit_entry
from config import current_settings
from errors import InputInvalid, NotFound, TooMany
from extensions import db
from lib.clean_text import cut, one_line
from lib.rate_limit import SharedBuckets
from models import User, WebhookCredential

FRESH_SECONDS = 10.0
# Wrong credentials make LUX look again whether somebody made a new one, at most this often.
LOOK_AGAIN_SECONDS = 1.0
FAILURES_BURST = 30
FAILURES_PER_SECOND = 0.5
LONGEST_LABEL = 60
SETTINGS_LABEL = "Settings (ZAPIER_USERNAME)"
FIRST_LABEL = "Zapier"
_NOBODY_SHA256 = hashlib.sha256(b"nobody").hexdigest()


@dataclass(frozen=True)
class Credential:
    """A live credential as the webhook knows it. `is_generated` means 256 random bits, which nobody guesses."""

    id: int
    label: str
    username: str
    secret_sha256: str
    is_generated: bool


@dataclass(frozen=True)
class NewCredential:
    """A credential just made; the password is not known again later."""

    id: int
    label: str
    username: str
    password: str


class _Store:
    """The live credentials of one app, loaded at most every few seconds."""

    def __init__(self, folder: Path) -> None:
        self.snapshot = folder / "webhook_credentials.json"
        self.failures = SharedBuckets(folder / "failed_logins.rate", rate=FAILURES_PER_SECOND, burst=FAILURES_BURST)
        self.rows: list[Credential] = []
        self.loaded_at = float("-inf")
        self.used: set[int] = set()
        self.lock = threading.Lock()

    def credentials(self, older_than_seconds: float = FRESH_SECONDS) -> list[Credential]:
        age = time.monotonic() - self.loaded_at
        if age > older_than_seconds:
            # One thread looks; the others go on with what is known, unless that is nothing yet or known not to fit.
            must_wait = age == math.inf or older_than_seconds < FRESH_SECONDS
            if self.lock.acquire(blocking=must_wait):
                try:
                    if time.monotonic() - self.loaded_at > older_than_seconds:
                        self._load()
                finally:
                    self.lock.release()
        return self.rows

    def _load(self) -> None:
        try:
            ensure_settings_credential()
            self._note_use()
            rows = db.session.scalars(select(WebhookCredential).where(WebhookCredential.revoked_at.is_(None)))
            self.rows = [
                Credential(row.id, row.label, row.username, row.secret_sha256, row.origin != "settings") for row in rows
            ]
            db.session.rollback()
            self._write_snapshot()
        except SQLAlchemyError:
            db.session.rollback()
            if not self.rows:
                self.rows = self._read_snapshot()
        self.loaded_at = time.monotonic()

    def _note_use(self) -> None:
        used, self.used = self.used, set()
        if used:
            ids = sorted(used)
            rows = update(WebhookCredential).where(WebhookCredential.id.in_(ids))
            db.session.execute(rows.values(used_at=func.now()))
            db.session.commit()

    def _write_snapshot(self) -> None:
        content = json.dumps([asdict(row) for row in self.rows])
        try:
            if self.snapshot.exists() and self.snapshot.read_text() == content:
                return
            _write_private(self.snapshot, content)
        except OSError:  # the copy is for bad times; without it these are as bad as they were
            return

    def _read_snapshot(self) -> list[Credential]:
        try:
            return [Credential(**row) for row in json.loads(self.snapshot.read_text())]
        except (OSError, ValueError, TypeError):
            return []


def find_credential(username: str, password: str, *, peer: str) -> Credential | None:
    """The live credential that fits, or None; unknown users cost the same work. An empty username means Bearer.

    Raises TooMany for a peer that failed too often. A generated credential is let in even then: nobody guesses it,
    and the peer may be shared with whoever fails.
    """
    store = _store()
    found = _match(store.credentials(), username, password)
    if found is None and password:
        found = _match(store.credentials(LOOK_AGAIN_SECONDS), username, password)
    if found is None or not found.is_generated:
        wait = store.failures.wait_of(peer) if found else store.failures.take(peer)
        if wait:
            raise TooMany("Too many attempts with a wrong credential.", wait)
    if found is not None:
        store.used.add(found.id)
    return found


def list_credentials() -> list[WebhookCredential]:
    """All of them, the live ones first, the newest first."""
    return list(
        db.session.scalars(
            select(WebhookCredential).order_by(WebhookCredential.revoked_at.is_not(None), WebhookCredential.id.desc())
        )
    )


def add_credential(label: str, *, by: User | None, peer: str | None = None) -> NewCredential:
    """Makes a credential; commits; the password is returned once and kept as its SHA-256 only. Raises InputInvalid."""
    label = cut(one_line(label), LONGEST_LABEL)
    if not label:
        raise InputInvalid({"label": "Say what will use it, such as Zapier or Website form."})
    username, password = f"lux-{secrets.token_hex(4)}", secrets.token_urlsafe(32)
    row = WebhookCredential(
        label=label, username=username, secret_sha256=_sha256(password), created_by_id=by.id if by else None
    )
    db.session.add(row)
    db.session.flush()
    actor = by.name if by else "LUX"
    add_audit_entry("webhook_credential_made", actor=actor, user_id=by.id if by else None, subject=label, peer=peer)
    db.session.commit()
    _store().loaded_at = float("-inf")
    return NewCredential(row.id, label, username, password)


def revoke_credential(credential_id: int, *, by: User, peer: str | None = None) -> WebhookCredential:
    """Takes a credential's access away at once; commits. Raises NotFound, and InputInvalid for the settings' own."""
    row = db.session.get(WebhookCredential, credential_id)
    if row is None:
        raise NotFound("There is no such credential.")
    if row.origin == "settings" and row.revoked_at is None:
        raise InputInvalid({"credential": "This one comes from ZAPIER_USERNAME and ZAPIER_PASSWORD; change it there."})
    if row.revoked_at is None:
        row.revoked_at = datetime.now(UTC)
        add_audit_entry("webhook_credential_revoked", actor=by.name, user_id=by.id, subject=row.label, peer=peer)
        db.session.commit()
        first = find_first_credential()
        if first is not None and first.id == credential_id:
            forget_first_credential()
    _store().loaded_at = float("-inf")
    return row


def is_credential_live(credential_id: int) -> bool:
    """Whether a credential still opens anything, asked of the database."""
    live = WebhookCredential.id == credential_id, WebhookCredential.revoked_at.is_(None)
    return db.session.scalar(select(WebhookCredential.id).where(*live)) is not None


def ensure_settings_credential() -> None:
    """Makes the row of ZAPIER_USERNAME and ZAPIER_PASSWORD what the settings say; commits when something changed."""
    settings = current_settings()
    rows = list(db.session.scalars(select(WebhookCredential).where(WebhookCredential.origin == "settings")))
    wanted = (settings.zapier_username, _sha256(settings.zapier_password)) if _has_settings_credential() else None
    if wanted is None:
        stale = [row for row in rows if row.revoked_at is None]
        for row in stale:
            row.revoked_at = datetime.now(UTC)
        if stale:
            db.session.commit()
        return
    if any((row.username, row.secret_sha256, row.revoked_at) == (*wanted, None) for row in rows):
        return
    values = {"label": SETTINGS_LABEL, "secret_sha256": wanted[1], "origin": "settings", "revoked_at": None}
    is_former = WebhookCredential.origin == "settings", WebhookCredential.username != wanted[0]
    former = update(WebhookCredential).where(*is_former, WebhookCredential.revoked_at.is_(None))
    db.session.execute(former.values(revoked_at=func.now()))
    made = insert(WebhookCredential).values(username=wanted[0], **values)
    db.session.execute(made.on_conflict_do_update(index_elements=["username"], set_=values))
    db.session.commit()


def ensure_first_credential() -> NewCredential | None:
    """On the first start, when neither settings nor database know a credential, makes one; commits.

    Its password is kept in LUX_DATA_DIR for the owner's eyes until forget_first_credential(). None when there was one.
    """
    ensure_settings_credential()
    db.session.execute(select(func.pg_advisory_xact_lock(0x4C5558, 7)))
    if db.session.scalar(select(func.count()).select_from(WebhookCredential)):
        db.session.rollback()
        return None
    made = add_credential(FIRST_LABEL, by=None)
    _write_private(_first_path(), json.dumps(asdict(made)))
    return made


def find_first_credential() -> NewCredential | None:
    """The generated first credential with its password, until the owner has seen it."""
    try:
        return NewCredential(**json.loads(_first_path().read_text()))
    except (OSError, ValueError, TypeError):
        return None


def forget_first_credential() -> None:
    """Deletes the kept password: the owner has seen it, or the credential is revoked."""
    _first_path().unlink(missing_ok=True)


def _match(rows: list[Credential], username: str, password: str) -> Credential | None:
    """Compares with every row whatever fits, so that time says nothing about who exists."""
    digest = _sha256(password)
    found: Credential | None = None
    hmac.compare_digest(digest, _NOBODY_SHA256)
    for row in rows:
        is_user = not username or hmac.compare_digest(
            username.encode("utf-8", "surrogatepass"), row.username.encode("utf-8", "surrogatepass")
        )
        if hmac.compare_digest(digest, row.secret_sha256) and is_user and password:
            found = row
    return found


def _has_settings_credential() -> bool:
    settings = current_settings()
    return bool(settings.zapier_username and settings.zapier_password)


def _store() -> _Store:
    store: _Store | None = current_app.extensions.get("lux_webhook_credentials")
    if store is None:
        store = current_app.extensions.setdefault("lux_webhook_credentials", _Store(current_settings().lux_data_dir))
    return store


def _first_path() -> Path:
    return current_settings().lux_data_dir / "first_webhook_credential.json"


def _write_private(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _sha256(text: str | None) -> str:
    return hashlib.sha256((text or "").encode("utf-8", "surrogatepass")).hexdigest()
