"""The second factor: an authenticator app's codes (RFC 6238), and recovery codes for the day when the app is gone.

The secret is encrypted in the database, recovery codes are kept hashed; no code of either kind works twice.
"""

from __future__ import annotations

import re
import secrets
import time
from base64 import b32encode
from dataclasses import dataclass
from datetime import UTC, datetime

import pyotp
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from accounts.audit import add_audit_entry
from accounts.encryption import decrypt, encrypt
from accounts.profile import check_own_password
from accounts.sessions import end_sessions_of
from errors import Conflict, InputInvalid
from extensions import db, defer
from lib.digests import sha256
from models import RecoveryCode, SecondFactor, User

RECOVERY_CODES = 10
# Codes of the step before and after count too: clocks differ, and people type.
STEPS_AROUND = 1
STEP_SECONDS = 30
ISSUER = "LUX"


@dataclass(frozen=True)
class Enrolment:
    """A factor that waits for its first code: the key to type, and the address for the QR code."""

    key: str
    address: str

    @property
    def grouped_key(self) -> str:
        return " ".join(self.key[at : at + 4] for at in range(0, len(self.key), 4))


def has_second_factor(user: User) -> bool:
    """Whether the user signs in with a code."""
    confirmed = SecondFactor.user_id == user.id, SecondFactor.confirmed_at.is_not(None)
    return db.session.scalar(select(SecondFactor.user_id).where(*confirmed)) is not None


def count_recovery_codes(user: User) -> int:
    """How many recovery codes the user has left."""
    mine = RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None)
    return db.session.scalar(select(func.count()).select_from(RecoveryCode).where(*mine)) or 0


def start_enrolment(user: User) -> Enrolment:
    """A new secret that waits for its first code; commits. Raises Conflict when the user has a factor already."""
    if has_second_factor(user):
        raise Conflict("Your account has a second factor already. Turn it off first.")
    secret = pyotp.random_base32(32)
    values = {"secret": encrypt(secret), "confirmed_at": None, "last_step": 0, "created_at": func.now()}
    made = insert(SecondFactor).values(user_id=user.id, **values)
    is_open = SecondFactor.confirmed_at.is_(None)
    db.session.execute(made.on_conflict_do_update(index_elements=["user_id"], set_=values, where=is_open))
    db.session.commit()
    return _enrolment(user, secret)


def find_enrolment(user: User) -> Enrolment | None:
    """The enrolment under way, or None."""
    row = db.session.get(SecondFactor, user.id, populate_existing=True)
    return _enrolment(user, decrypt(row.secret)) if row is not None and row.confirmed_at is None else None


def confirm_enrolment(user: User, code: str, *, token: str, peer: str) -> list[str]:
    """The app's first code turns the factor on and signs other browsers out; commits; the recovery codes, once.

    Raises InputInvalid for a wrong code, Conflict when nothing is under way.
    """
    row = _locked(user)
    if row is None or row.confirmed_at is not None:
        db.session.rollback()
        raise Conflict("There is nothing to confirm. Begin again.")
    if not _is_app_code(row, code):
        db.session.rollback()
        raise InputInvalid({"code": "That code is not right. Is the clock of your phone right? Wait for the next one."})
    row.confirmed_at = datetime.now(UTC)
    codes = _new_recovery_codes(user)
    end_sessions_of(user, except_token=token)
    add_audit_entry("second_factor_on", actor=user.name, user_id=user.id, peer=peer)
    db.session.commit()
    return codes


def take_code(user: User, code: str) -> bool:
    """Whether a code of the app or a recovery code is right; it is used up with that. The caller commits."""
    row = _locked(user)
    if row is None or row.confirmed_at is None:
        return False
    return _is_app_code(row, code) or _is_recovery_code(user, code)


def renew_recovery_codes(user: User, *, password: str, peer: str) -> list[str]:
    """New recovery codes in place of the old ones, shown once; commits. Raises InputInvalid for a wrong password."""
    check_own_password(user, password, peer=peer)
    if not has_second_factor(user):
        raise Conflict("Your account has no second factor.")
    codes = _new_recovery_codes(user)
    add_audit_entry("recovery_codes_renewed", actor=user.name, user_id=user.id, peer=peer)
    db.session.commit()
    return codes


def disable_second_factor(user: User, *, password: str, token: str, peer: str) -> None:
    """Turns the factor off and signs other browsers out; commits. Raises InputInvalid for a wrong password."""
    check_own_password(user, password, peer=peer)
    _delete_factor(user)
    end_sessions_of(user, except_token=token)
    add_audit_entry("second_factor_off", actor=user.name, user_id=user.id, peer=peer)
    defer(db.session, "send_notice_mail", address=user.email, notice="second_factor_off")
    db.session.commit()


def reset_second_factor(user: User, *, by: User, peer: str) -> None:
    """The owner takes somebody's factor away, who has lost it; signs them out; commits."""
    _delete_factor(user)
    end_sessions_of(user)
    add_audit_entry("second_factor_reset", actor=by.name, user_id=by.id, subject=user.email, peer=peer)
    db.session.commit()


def list_users_with_factor() -> set[int]:
    """The ids of everybody who signs in with a code."""
    return set(db.session.scalars(select(SecondFactor.user_id).where(SecondFactor.confirmed_at.is_not(None))))


def _enrolment(user: User, secret: str) -> Enrolment:
    address = pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER)
    return Enrolment(secret, address)


def _locked(user: User) -> SecondFactor | None:
    return db.session.get(SecondFactor, user.id, with_for_update=True, populate_existing=True)


def _is_app_code(row: SecondFactor, code: str) -> bool:
    """Whether the app shows this code about now. Its step and all before it are over then."""
    digits = re.sub(r"\s", "", code)
    if not re.fullmatch(r"[0-9]{6}", digits):
        return False
    app, now = pyotp.TOTP(decrypt(row.secret)), int(time.time()) // STEP_SECONDS
    for step in range(now - STEPS_AROUND, now + STEPS_AROUND + 1):
        if secrets.compare_digest(app.generate_otp(step), digits) and step > row.last_step:
            row.last_step = step
            return True
    return False


def _is_recovery_code(user: User, code: str) -> bool:
    mine = RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None), RecoveryCode.code_sha256 == _digest(code)
    used = update(RecoveryCode).where(*mine).values(used_at=datetime.now(UTC)).returning(RecoveryCode.id)
    return db.session.execute(used).first() is not None


def _new_recovery_codes(user: User) -> list[str]:
    """Ten codes of 80 bits; the old ones end."""
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    codes = [_grouped(b32encode(secrets.token_bytes(10)).decode().lower()) for _ in range(RECOVERY_CODES)]
    db.session.add_all(RecoveryCode(user_id=user.id, code_sha256=_digest(code)) for code in codes)
    return codes


def _delete_factor(user: User) -> None:
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    db.session.execute(delete(SecondFactor).where(SecondFactor.user_id == user.id))


def _grouped(code: str) -> str:
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


def _digest(code: str) -> str:
    return sha256(re.sub(r"[\s-]", "", code).lower())
