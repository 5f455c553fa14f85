"""Why a sign-in with Replit was refused: one plain sentence for the person, one reason for the audit trail.

To refuse for a new reason, add its row here and raise Refused(reason).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from accounts.audit import add_audit_entry
from errors import LuxError
from extensions import db
from models import AuditEntry

REFUSED = "replit_sign_in_refused"
WINDOW = timedelta(minutes=15)
MOST_PER_PEER = 100

AGAIN = "Nothing was changed. Please try again."
UNBELIEVED = "Nobody was signed in. Please try again; if it happens again, tell whoever runs LUX."

SENTENCES: dict[str, str] = {
    # The way there and back.
    "duplicate_parameter": f"The answer said the same thing twice, so LUX did not follow it. {AGAIN}",
    "state_missing": f"The answer did not say which sign-in it belongs to. {AGAIN}",
    "state_unknown": f"LUX does not know this sign-in: it was not started here, or long ago. {AGAIN}",
    "state_used": f"This sign-in was used already, and each works once. {AGAIN}",
    "state_expired": f"This sign-in took longer than ten minutes. {AGAIN}",
    "state_of_another_browser": f"This sign-in was started in another browser. {AGAIN}",
    "too_many_attempts": "Too many sign-ins were started from your address. Wait ten minutes, then try again.",
    "answer_from_another_issuer": f"The answer came from another provider than the one asked. {AGAIN}",
    "code_missing": f"The answer brought no code to sign in with. {AGAIN}",
    # What the provider says; its own words are never shown.
    "provider_refused_access": f"Replit did not let you in, or you cancelled there. {AGAIN}",
    "provider_error": f"Replit reported an error instead of signing you in. {AGAIN}",
    "provider_unreachable": "Replit does not answer. Please try again in a minute, or sign in by e-mail.",
    "provider_misconfigured": "Replit's description of itself cannot be used. Tell whoever runs LUX.",
    "token_refused": f"Replit did not accept the sign-in that it had just begun. {AGAIN}",
    "token_answer_unusable": f"Replit's answer could not be read. {UNBELIEVED}",
    "client_refused": "Replit does not accept this LUX: its REPL_ID may be wrong. Tell whoever runs LUX.",
    # The id_token.
    "id_token_missing": f"Replit did not say who you are. {UNBELIEVED}",
    "id_token_malformed": f"What Replit said about you could not be read. {UNBELIEVED}",
    "id_token_algorithm": f"What Replit said about you was signed in a way that LUX does not take. {UNBELIEVED}",
    "id_token_header": f"What Replit said about you came with rules of its own. {UNBELIEVED}",
    "id_token_key": f"What Replit said about you was signed with a key that is not Replit's. {UNBELIEVED}",
    "id_token_signature": f"The signature of what Replit said about you is wrong. {UNBELIEVED}",
    "id_token_issuer": f"What was said about you comes from another provider. {UNBELIEVED}",
    "id_token_audience": f"What Replit said about you was meant for another application. {UNBELIEVED}",
    "id_token_expired": f"What Replit said about you is no longer valid. {UNBELIEVED}",
    "id_token_from_the_future": f"What Replit said about you is dated in the future: a clock is wrong. {UNBELIEVED}",
    "id_token_claim_missing": f"Something was missing in what Replit said about you. {UNBELIEVED}",
    "id_token_nonce": f"What Replit said about you belongs to another sign-in. {UNBELIEVED}",
    "id_token_at_hash": f"The two halves of Replit's answer do not belong together. {UNBELIEVED}",
    "id_token_subject": f"Replit did not say which account is yours. {UNBELIEVED}",
    "id_token_of_another_person": f"Replit suddenly spoke of somebody else. {UNBELIEVED}",
    # The account here.
    "account_disabled": "This account is disabled. Ask the owner of this LUX.",
    "no_usable_address": "Replit knows no usable e-mail address of yours. Add one there, then sign in again.",
    "address_not_verified": (
        "There is an account here with your address, and Replit has not verified that the address is yours. "
        "Sign in by e-mail and password, then link Replit in your profile."
    ),
    "linked_elsewhere": "This Replit account is linked to another account here. Unlink it there first.",
    "has_another_link": "Your account is linked to another Replit account. Unlink that one first.",
    "link_not_yours": "You are signed in to another account than the one that wanted to be linked. Nothing was linked.",
    "link_expired": "There is nothing to link any more. Sign in with Replit again.",
    "last_way_in": "Replit is your only way to sign in. Set a password first, then unlink.",
    "refresh_refused": "Replit has ended your sign-in. Please sign in again.",
}
STATUS = {
    "account_disabled": 403,
    "too_many_attempts": 429,
    "provider_unreachable": 503,
    "provider_misconfigured": 503,
    "client_refused": 503,
}
# The provider is ill or away: nobody's session ends for that, and the health check counts it.
PROVIDER_TROUBLE = ("provider_unreachable", "provider_misconfigured", "client_refused", "token_answer_unusable")


class Refused(LuxError):
    """A sign-in or a link that does not come about. The detail is the reason's sentence."""

    title = "Not signed in"

    def __init__(self, reason: str, *, note: str = "") -> None:
        super().__init__(SENTENCES[reason])
        self.reason = reason
        self.note = note
        self.status = STATUS.get(reason, 400)


def note_refusal(refusal: Refused, *, peer: str, actor: str = "somebody", user_id: int | None = None) -> None:
    """Writes the reason into the audit trail; commits. A peer that only makes noise is not written down for ever."""
    db.session.rollback()
    since = datetime.now(UTC) - WINDOW
    same = AuditEntry.action == REFUSED, AuditEntry.peer == peer, AuditEntry.at > since
    if (db.session.scalar(select(func.count()).select_from(AuditEntry).where(*same)) or 0) < MOST_PER_PEER:
        detail = {"reason": refusal.reason} | ({"note": refusal.note} if refusal.note else {})
        add_audit_entry(REFUSED, actor=actor, user_id=user_id, peer=peer, **detail)
    db.session.commit()


def count_provider_troubles(hours: float = 1) -> int:
    """How many sign-ins failed because the provider was away or ill."""
    since = datetime.now(UTC) - timedelta(hours=hours)
    reason = AuditEntry.detail["reason"].astext.in_(PROVIDER_TROUBLE)
    rows = select(func.count()).select_from(AuditEntry).where(AuditEntry.action == REFUSED, AuditEntry.at > since)
    return db.session.scalar(rows.where(reason)) or 0
