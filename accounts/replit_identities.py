"""Who somebody is at Replit and whom they are here: by issuer and subject alone, never by address."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update

from accounts.audit import add_audit_entry
from accounts.replit_refusals import Refused
from accounts.roles import role_for_new_user
from accounts.users import add_user, find_user_by_email
from errors import InputInvalid
from extensions import db
from lib.digests import sha256
from lib.id_tokens import Claims
from models import ReplitAttempt, ReplitIdentity, ReplitOAuth, User, UserSession

PROOF_MINUTES = 15
# The lock's two numbers: "LUX" in hexadecimal, and new identities, which come one after the other.
LOCK = (0x4C5558, 9)


def find_identity_of(user_id: int) -> ReplitIdentity | None:
    """The Replit account that is linked to a user."""
    return db.session.scalar(select(ReplitIdentity).where(ReplitIdentity.user_id == user_id))


def list_identities() -> dict[int, ReplitIdentity]:
    """Every linked Replit account by the id of its user."""
    return {row.user_id: row for row in db.session.scalars(select(ReplitIdentity))}


def find_arrival(claims: Claims, *, peer: str) -> ReplitIdentity | None:
    """The identity of somebody who has come from Replit; commits.

    A new person gets an account without a role, which waits for the owner's approval. None when an account here has
    their address, which Replit has verified: then that account has to prove itself (link_proven). Raises Refused.
    """
    identity = _find(claims)
    if identity is None:
        _wait_for_turn()
        identity = _find(claims) or _add_person(claims, peer)
    if identity is None:
        db.session.rollback()
        return None
    user = db.session.get_one(User, identity.user_id)
    if not user.is_active:
        raise Refused("account_disabled")
    _note(identity, claims)
    user.signed_in_at = identity.signed_in_at
    db.session.commit()
    return identity


def link_identity(user: User, claims: Claims, *, peer: str) -> ReplitIdentity:
    """Links the Replit account to the signed-in user; commits. Raises Refused when either is linked otherwise."""
    _wait_for_turn()
    identity = _find(claims)
    if identity is not None and identity.user_id != user.id:
        raise Refused("linked_elsewhere")
    if identity is None:
        if find_identity_of(user.id) is not None:
            raise Refused("has_another_link")
        identity = _add_identity(user, claims)
        add_audit_entry(
            "replit_linked", actor=user.name, user_id=user.id, subject=claims.username or claims.subject, peer=peer
        )
    db.session.commit()
    return identity


def keep_for_proof(attempt_id: int, claims: Claims) -> None:
    """Remembers who came back while their account here proves itself; commits."""
    until = datetime.now(UTC) + timedelta(minutes=PROOF_MINUTES)
    row = update(ReplitAttempt).where(ReplitAttempt.id == attempt_id)
    db.session.execute(row.values(claims=asdict(claims), expires_at=until))
    db.session.commit()


def find_waiting_claims(browser: str, user: User) -> Claims | None:
    """Who came back on this browser and waits for the proof that the signed-in user now is; of their address only."""
    row = _find_waiting(browser, user)
    return Claims(**row.claims) if row is not None and row.claims else None


def link_proven(browser: str, user: User, *, peer: str) -> ReplitIdentity:
    """Links who came back on this browser to the account that has proved itself since; commits. Raises Refused."""
    row = _find_waiting(browser, user)
    if row is None or not row.claims:
        raise Refused("link_expired")
    claims = Claims(**row.claims)
    row.claims = None
    return link_identity(user, claims, peer=peer)


def unlink_identity(user: User, *, session_token: str, peer: str) -> None:
    """Forgets the user's Replit account and its tokens, and ends the other browsers that came through it; commits.

    Raises Refused when it is the only way in.
    """
    identity = find_identity_of(user.id)
    if identity is None:
        raise Refused("link_expired")
    if user.password_hash is None:
        raise Refused("last_way_in")
    came_through = select(ReplitOAuth.session_id).where(ReplitOAuth.identity_id == identity.id)
    own = UserSession.token_sha256 == sha256(session_token)
    ended = update(UserSession).where(UserSession.id.in_(came_through), UserSession.ended_at.is_(None), ~own)
    db.session.execute(ended.values(ended_at=datetime.now(UTC)))
    add_audit_entry("replit_unlinked", actor=user.name, user_id=user.id, subject=identity.username, peer=peer)
    db.session.delete(identity)
    db.session.commit()


def _find(claims: Claims) -> ReplitIdentity | None:
    who = ReplitIdentity.issuer == claims.issuer, ReplitIdentity.subject == claims.subject
    return db.session.scalar(select(ReplitIdentity).where(*who))


def _find_waiting(browser: str, user: User) -> ReplitAttempt | None:
    mine = ReplitAttempt.browser_sha256 == sha256(browser), ReplitAttempt.expires_at > datetime.now(UTC)
    rows = select(ReplitAttempt).where(*mine, ReplitAttempt.claims.is_not(None)).order_by(ReplitAttempt.id.desc())
    address = func.lower(ReplitAttempt.claims["email"].astext) == user.email.lower()
    return db.session.scalars(rows.where(address).limit(1)).first()


def _add_person(claims: Claims, peer: str) -> ReplitIdentity | None:
    if not claims.email:
        raise Refused("no_usable_address")
    if find_user_by_email(claims.email) is not None:
        if not claims.is_email_verified:
            raise Refused("address_not_verified")
        return None
    role = role_for_new_user(claims.email, claims.is_email_verified)
    try:
        user = add_user(email=claims.email, name=claims.name, password=None, role=role)
    except InputInvalid as error:
        raise Refused("no_usable_address") from error
    add_audit_entry(
        "replit_account_made", actor=user.name, user_id=user.id, subject=user.email, peer=peer, role=role or ""
    )
    return _add_identity(user, claims)


def _add_identity(user: User, claims: Claims) -> ReplitIdentity:
    identity = ReplitIdentity(user_id=user.id, issuer=claims.issuer, subject=claims.subject)
    _note(identity, claims)
    db.session.add(identity)
    db.session.flush()
    return identity


def _note(identity: ReplitIdentity, claims: Claims) -> None:
    identity.username, identity.email = claims.username, claims.email
    identity.is_email_verified = claims.is_email_verified
    identity.signed_in_at = datetime.now(UTC)


def _wait_for_turn() -> None:
    db.session.execute(select(func.pg_advisory_xact_lock(*LOCK)))
