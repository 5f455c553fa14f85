"""Every table of LUX in the order of the product's story: columns, links, constraints; no queries, no sending.

To add a table, add it under its heading and make a migration with `make migration`.
"""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Identity, Index, Numeric, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import Model

ROLES = ("owner", "operator", "marketer", "viewer")
SUBSCRIPTIONS = ("none", "pending", "subscribed", "unsubscribed", "bounced", "complained")
INTAKE_STATES = ("new", "done", "dead")
AD_GOALS = ("sales", "contacts", "awareness")
ASSET_KINDS = ("upload", "drawn")
CAMPAIGN_STATES = ("draft", "scheduled", "sending", "paused", "finished", "cancelled")
MESSAGE_STATES = ("pending", "claimed", "attempting", "deferred", "sent", "failed", "suppressed", "unknown")
POST_STATES = ("draft", "planned", "publishing", "published", "failed", "cancelled")
ARTICLE_STATES = ("draft", "planned", "published")
DELIVERY_STATES = ("waiting", "attempting", "delivered", "failed", "cancelled")
ATTEMPT_STATES = ("attempting", "delivered", "deferred", "failed", "unknown")
UNKNOWN_POLICIES = ("resend", "ask")
RUN_STATES = ("waiting", "running", "done", "failed", "stopped")
SEVERITIES = ("error", "warning", "critical")
ERROR_STATES = (
    "open",
    "diagnosed",
    "repairing",
    "verifying",
    "resolved_verified",
    "resolved_by_human",
    "quiet_unverified",
    "still_failing",
    "needs_human",
    "regressed",
)
REPAIR_PLAN_STATES = ("planned", "running", "done", "failed", "refused")
REPAIR_OUTCOMES = ("resolved_verified", "quiet_unverified", "still_failing", "needs_human")
REPAIR_STEP_STATES = ("planned", "blocked", "waiting", "running", "done", "failed", "refused", "undone")
TURN_STATES = ("streaming", "done", "stopped", "failed")
PAIR_STATES = ("open", "apart")
PERSON_TASK_STATES = ("open", "done", "dropped")
PROPOSAL_STATES = ("pending", "approved", "done", "failed", "refused", "undone", "expired")


def one_of(column: str, choices: tuple[str, ...]) -> CheckConstraint:
    """A check that the column holds one of the choices."""
    quoted = ", ".join(f"'{choice}'" for choice in choices)
    return CheckConstraint(f"{column} IN ({quoted})", name=f"{column}_known")


# ── People who sign in ───────────────────────────────────────────────────────


class User(Model):
    """A person with an account. Without a role they wait for the owner's approval."""

    __tablename__ = "users"
    __table_args__ = (
        one_of("role", ROLES),
        one_of("state", ("active", "disabled")),
        Index("uq_users_email", text("lower(email)"), unique=True),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    email: Mapped[str]
    name: Mapped[str]
    password_hash: Mapped[str | None]
    role: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="active")
    preferences: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    signed_in_at: Mapped[datetime | None]

    @property
    def is_active(self) -> bool:
        return self.state == "active"

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def is_anonymous(self) -> bool:
        return False

    def get_id(self) -> str:
        return str(self.id)


class UserSession(Model):
    """One signed-in browser. The cookie holds a token; the row holds its SHA-256."""

    __tablename__ = "user_sessions"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    token_sha256: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    peer: Mapped[str | None]
    user_agent: Mapped[str | None]
    user: Mapped[User] = relationship()


class OneTimeLink(Model):
    """A token that works once: first start, invitation, reset, a new address, the second step of a sign-in."""

    __tablename__ = "one_time_links"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    purpose: Mapped[str]
    token_sha256: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    tries: Mapped[int] = mapped_column(server_default="0")


class SecondFactor(Model):
    """A user's authenticator app. Without `confirmed_at` the enrolment is still under way.

    `secret` is encrypted; `last_step` is the time step of the last code taken: no code works twice.
    """

    __tablename__ = "second_factors"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    secret: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int] = mapped_column(server_default="0")


class RecoveryCode(Model):
    """A code that takes the place of the authenticator app once; kept as its SHA-256."""

    __tablename__ = "recovery_codes"
    __table_args__ = (UniqueConstraint("user_id", "code_sha256"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    code_sha256: Mapped[str]
    used_at: Mapped[datetime | None]


class SignInAttempt(Model):
    """A failed sign-in, kept for a day to slow down guessing."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (
        Index("ix_sign_in_attempts_account", "account_sha256", "at"),
        Index("ix_sign_in_attempts_peer", "peer", "at"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    account_sha256: Mapped[str]
    peer: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class AuditEntry(Model):
    """Who did what, when, from where. Append-only."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_action", "action", text("id DESC")),
        Index("ix_audit_entries_user", "user_id", text("id DESC")),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str | None]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    peer: Mapped[str | None]


class ApiToken(Model):
    """A bearer token for programs that operate LUX; kept as its SHA-256, its last characters tell it apart."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    label: Mapped[str]
    token_sha256: Mapped[str] = mapped_column(unique=True)
    ending: Mapped[str]
    scopes: Mapped[list[Any]]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    used_from: Mapped[str | None]
    revoked_at: Mapped[datetime | None]
    created_by: Mapped[User | None] = relationship()


class TokenUse(Model):
    """That a token was used from an address in an hour: the audit trail tells each of these once."""

    __tablename__ = "token_uses"

    token: Mapped[str] = mapped_column(primary_key=True)
    peer: Mapped[str] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)


class ReplitIdentity(Model):
    """Who somebody is at the provider: issuer and subject, and the user whom they are here."""

    __tablename__ = "replit_identities"
    __table_args__ = (UniqueConstraint("issuer", "subject", name="uq_replit_identities_who"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), unique=True)
    issuer: Mapped[str]
    subject: Mapped[str]
    username: Mapped[str] = mapped_column(server_default="")
    email: Mapped[str] = mapped_column(server_default="")
    is_email_verified: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    signed_in_at: Mapped[datetime | None]


class ReplitOAuth(Model):
    """What the provider gave for one signed-in browser: its tokens, encrypted, and when to ask for new ones."""

    __tablename__ = "replit_oauth"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("user_sessions.id", ondelete="CASCADE"), unique=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("replit_identities.id", ondelete="CASCADE"), index=True)
    access_token: Mapped[str]
    refresh_token: Mapped[str | None]
    id_token: Mapped[str]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    refreshed_at: Mapped[datetime | None]
    retry_at: Mapped[datetime | None]
    session: Mapped[UserSession] = relationship()
    identity: Mapped[ReplitIdentity] = relationship()


class ReplitAttempt(Model):
    """One way to the provider and back: used once, by the browser that set out, within minutes."""

    __tablename__ = "replit_attempts"
    __table_args__ = (Index("ix_replit_attempts_peer", "peer", "created_at"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    state_sha256: Mapped[str] = mapped_column(unique=True)
    browser_sha256: Mapped[str]
    nonce: Mapped[str]
    verifier: Mapped[str]
    next_path: Mapped[str]
    peer: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    # Who came back, while an account of the same address has yet to prove that it is theirs.
    claims: Mapped[dict[str, Any] | None]


class WebhookCredential(Model):
    """A credential with which another program may post contacts."""

    __tablename__ = "webhook_credentials"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    label: Mapped[str]
    username: Mapped[str] = mapped_column(unique=True)
    secret_sha256: Mapped[str]
    origin: Mapped[str] = mapped_column(server_default="made")
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Brand(Model):
    """What every agent reads before it writes: one row."""

    __tablename__ = "brand"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company: Mapped[str] = mapped_column(server_default="")
    voice: Mapped[str] = mapped_column(server_default="")
    audience: Mapped[str] = mapped_column(server_default="")
    offer: Mapped[str] = mapped_column(server_default="")
    words_to_use: Mapped[list[Any]] = mapped_column(server_default="[]")
    words_to_avoid: Mapped[list[Any]] = mapped_column(server_default="[]")
    links: Mapped[list[Any]] = mapped_column(server_default="[]")
    proof_points: Mapped[list[Any]] = mapped_column(server_default="[]")
    website: Mapped[str] = mapped_column(server_default="")
    accent_color: Mapped[str] = mapped_column(server_default="#8c2dd9")
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class FirstStartStep(Model):
    """A step of the first start that is done or skipped."""

    __tablename__ = "first_start_steps"

    key: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


# ── The audience ─────────────────────────────────────────────────────────────


class Contact(Model):
    """A person whom LUX may know: one row per canonical e-mail address."""

    __tablename__ = "contacts"
    __table_args__ = (
        one_of("subscription", SUBSCRIPTIONS),
        Index("ix_contacts_words", "words", postgresql_using="gin"),
        Index(
            "ix_contacts_attributes",
            "attributes",
            postgresql_using="gin",
            postgresql_ops={"attributes": "jsonb_path_ops"},
        ),
        Index("ix_contacts_created", text("created_at DESC"), text("id DESC")),
        Index("ix_contacts_subscription", "subscription", "id"),
        Index("ix_contacts_source", "source"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str | None]
    phone: Mapped[str | None]
    phone_raw: Mapped[str | None]
    source: Mapped[str | None]
    segment: Mapped[str | None]
    attributes: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    subscription: Mapped[str] = mapped_column(server_default="none")
    bounce_count: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    opened_at: Mapped[datetime | None]
    clicked_at: Mapped[datetime | None]
    # The name of the address among the suppressions. The cast reads a backslash as an escape, so each is doubled.
    address_sha256: Mapped[str] = mapped_column(
        Computed(r"encode(sha256(replace(email, '\', '\\')::bytea), 'hex')", persisted=True), deferred=True
    )
    words: Mapped[Any] = mapped_column(
        TSVECTOR,
        Computed(
            "to_tsvector('simple', regexp_replace(lower(email || ' ' || coalesce(name, '') || ' ' || "
            "coalesce(phone, '') || ' ' || coalesce(attributes->>'company', '')), '[^[:alnum:]]+', ' ', 'g'))",
            persisted=True,
        ),
        deferred=True,
    )


class OtherAddress(Model):
    """A further address that came with a contact; never written to, it has no consent."""

    __tablename__ = "other_addresses"
    __table_args__ = (UniqueConstraint("contact_id", "address"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"))
    address: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ContactEvent(Model):
    """One line of a contact's timeline: what happened, when, from which source."""

    __tablename__ = "contact_events"
    __table_args__ = (Index("ix_contact_events_contact", "contact_id", text("at DESC"), text("id DESC")),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    kind: Mapped[str]
    source: Mapped[str | None]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default="{}")


class ConsentEntry(Model):
    """The consent ledger: who agreed or left, when, how, in which words. Append-only; erasing keeps the hash."""

    __tablename__ = "consent_entries"
    __table_args__ = (Index("ix_consent_entries_contact", "contact_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contacts.id", ondelete="SET NULL"))
    address_sha256: Mapped[str] = mapped_column(index=True)
    channel: Mapped[str] = mapped_column(server_default="email")
    state: Mapped[str]
    method: Mapped[str]
    wording: Mapped[str | None]
    source: Mapped[str | None]
    actor: Mapped[str | None]
    receipt: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Suppression(Model):
    """An address that is never written to again, by its SHA-256 so that it outlives an erased contact."""

    __tablename__ = "suppressions"
    __table_args__ = (UniqueConstraint("channel", "address_sha256"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    channel: Mapped[str] = mapped_column(server_default="email")
    address_sha256: Mapped[str]
    address: Mapped[str | None]
    reason: Mapped[str]
    detail: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Segment(Model):
    """A named part of the audience: by rules, by hand or source, or both."""

    __tablename__ = "segments"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    rules: Mapped[dict[str, Any] | None]
    made_by: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    archived_at: Mapped[datetime | None]


class SegmentMembership(Model):
    """A contact that joined a segment by hand, by source or by import."""

    __tablename__ = "segment_memberships"
    __table_args__ = (Index("ix_segment_memberships_contact", "contact_id"),)

    segment_id: Mapped[int] = mapped_column(ForeignKey("segments.id", ondelete="CASCADE"), primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), primary_key=True)
    joined_at: Mapped[datetime] = mapped_column(server_default=func.now())
    source: Mapped[str | None]


class SourceRule(Model):
    """Which source or form puts an arriving contact into which segment."""

    __tablename__ = "source_rules"
    __table_args__ = (one_of("field", ("source", "form")), one_of("comparison", ("contains", "equals", "prefix")))

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    field: Mapped[str] = mapped_column(server_default="source")
    comparison: Mapped[str]
    value: Mapped[str]
    unless: Mapped[list[Any]] = mapped_column(server_default="[]")
    segment_id: Mapped[int] = mapped_column(ForeignKey("segments.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(server_default="0")
    segment: Mapped[Segment] = relationship()


class Confirmation(Model):
    """A contact's own yes, asked for by mail (double opt-in): each is asked once, over as many tries as it takes."""

    __tablename__ = "confirmations"
    __table_args__ = (
        Index(
            "ix_confirmations_due", "next_try_at", postgresql_where=text("sent_at IS NULL AND next_try_at IS NOT NULL")
        ),
    )

    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), primary_key=True)
    asked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(server_default="0")
    next_try_at: Mapped[datetime | None] = mapped_column(server_default=func.now())
    sent_at: Mapped[datetime | None]
    trouble: Mapped[str | None]
    confirmed_at: Mapped[datetime | None]


class SideEffect(Model):
    """Something that may happen once only, such as a welcome per contact and segment."""

    __tablename__ = "side_effects"

    key: Mapped[str] = mapped_column(primary_key=True)
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class LeadScoring(Model):
    """How contacts are scored: one row, made when somebody turns scores on. `points` are those of each rule."""

    __tablename__ = "lead_scoring"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    points: Mapped[dict[str, Any]]
    hot_from: Mapped[int]
    warm_from: Mapped[int]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    scored_at: Mapped[datetime | None]


class ContactScore(Model):
    """A contact's lead score: what is known of them (fit), what they did (intent), and the points of each reason."""

    __tablename__ = "contact_scores"
    __table_args__ = (Index("ix_contact_scores_points", text("points DESC"), text("contact_id DESC")),)

    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), primary_key=True)
    points: Mapped[int]
    fit: Mapped[int]
    intent: Mapped[int]
    reasons: Mapped[dict[str, Any]]
    as_of: Mapped[datetime] = mapped_column(server_default=func.now())


class DuplicatePair(Model):
    """Two contacts that may be one person, and why; `apart` once somebody said that they are two."""

    __tablename__ = "duplicate_pairs"
    __table_args__ = (
        one_of("state", PAIR_STATES),
        CheckConstraint("first_id < second_id", name="in_order"),
        Index("ix_duplicate_pairs_likely", "state", text("confidence DESC"), "first_id", "second_id"),
        Index("ix_duplicate_pairs_second", "second_id"),
    )

    first_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), primary_key=True)
    second_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), primary_key=True)
    reasons: Mapped[list[Any]]
    confidence: Mapped[int]
    state: Mapped[str] = mapped_column(server_default="open")
    found_at: Mapped[datetime] = mapped_column(server_default=func.now())
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]


class DuplicateSearch(Model):
    """When duplicates were looked for last: one row."""

    __tablename__ = "duplicate_searches"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    searched_at: Mapped[datetime]


class ContactMerge(Model):
    """Two contacts made one. `kept` holds all that undo needs: both rows as they were, and what moved.

    `contact_id` is whoever holds it now: merged once more, it moves on, and goes when that person is erased.
    """

    __tablename__ = "contact_merges"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), index=True)
    survivor_id: Mapped[int]
    gone_id: Mapped[int] = mapped_column(index=True)
    kept: Mapped[dict[str, Any]]
    actor: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    merged_at: Mapped[datetime] = mapped_column(server_default=func.now())
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]


class MergedAddress(Model):
    """An address that belonged to a merged contact: whoever arrives with it is the contact that was kept."""

    __tablename__ = "merged_addresses"

    address: Mapped[str] = mapped_column(primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), index=True)
    merge_id: Mapped[int] = mapped_column(ForeignKey("contact_merges.id", ondelete="CASCADE"), index=True)


class ContactImport(Model):
    """One CSV file on its way in: mapping, dry run, result, undo."""

    __tablename__ = "contact_imports"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    file_name: Mapped[str]
    content: Mapped[bytes | None] = mapped_column(deferred=True)
    state: Mapped[str] = mapped_column(server_default="mapping")
    mapping: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    options: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    totals: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    error: Mapped[str | None]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]


class ContactImportRow(Model):
    """What one row of a file became; `before` is what undo puts back."""

    __tablename__ = "contact_import_rows"

    import_id: Mapped[int] = mapped_column(ForeignKey("contact_imports.id", ondelete="CASCADE"), primary_key=True)
    row_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    outcome: Mapped[str]
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contacts.id", ondelete="SET NULL"), index=True)
    complaint: Mapped[str | None]
    before: Mapped[dict[str, Any] | None]


# ── The webhook inbox ────────────────────────────────────────────────────────


class IntakeBody(Model):
    """A body that a program posted, byte for byte, and what it became."""

    __tablename__ = "intake_bodies"
    __table_args__ = (
        one_of("state", INTAKE_STATES),
        # Each post writes its row twice: every index covers only the rows that somebody looks for by it.
        Index("ix_intake_bodies_open", "state", text("id DESC"), postgresql_where=text("state <> 'done'")),
        Index(
            "ix_intake_bodies_same",
            "credential_id",
            "sha256",
            "received_at",
            postgresql_where=text("state = 'done' AND reason IS NULL"),
        ),
        Index("ix_intake_bodies_contact", "contact_id", postgresql_where=text("contact_id IS NOT NULL")),
        Index(
            "uq_intake_bodies_idempotency",
            "credential_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        Index(
            "uq_intake_bodies_dead",
            "credential_id",
            "sha256",
            unique=True,
            postgresql_where=text("state = 'dead' AND idempotency_key IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    receipt: Mapped[str] = mapped_column(unique=True)
    # No foreign key: credentials are revoked and never deleted, and each post would lock its row for all the others.
    credential_id: Mapped[int | None]
    content_type: Mapped[str] = mapped_column(server_default="")
    headers: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    body: Mapped[bytes] = mapped_column(deferred=True)
    sha256: Mapped[str]
    idempotency_key: Mapped[str | None]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    state: Mapped[str] = mapped_column(server_default="new")
    reason: Mapped[str | None]
    detail: Mapped[str | None]
    seen_count: Mapped[int] = mapped_column(server_default="1")
    attempts: Mapped[int] = mapped_column(server_default="0")
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contacts.id", ondelete="SET NULL"))
    answer_status: Mapped[int | None]
    answer: Mapped[dict[str, Any] | None]
    processed_at: Mapped[datetime | None]


class IntakeMapping(Model):
    """A field of LUX for a key that a sender uses."""

    __tablename__ = "intake_mappings"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    field: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


# ── The library of pictures ──────────────────────────────────────────────────


class Asset(Model):
    """A picture: uploaded and encoded anew, or drawn as SVG from its `design`, with a PNG of it beside.

    `content` is what `media_type` says; `png` is the picture for mail and networks where `content` is SVG.
    """

    __tablename__ = "assets"
    __table_args__ = (
        one_of("kind", ASSET_KINDS),
        Index("ix_assets_library", text("id DESC"), postgresql_where=text("archived_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    place: Mapped[str] = mapped_column(server_default="")
    media_type: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    byte_count: Mapped[int]
    alt: Mapped[str]
    public_token: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[str] = mapped_column(index=True)
    content: Mapped[bytes] = mapped_column(deferred=True)
    png: Mapped[bytes | None] = mapped_column(deferred=True)
    thumbnail: Mapped[bytes] = mapped_column(deferred=True)
    design: Mapped[dict[str, Any] | None]
    contrast: Mapped[float | None]
    made_by: Mapped[str]
    proposal_id: Mapped[int | None] = mapped_column(ForeignKey("proposals.id", ondelete="SET NULL"), index=True)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    archived_at: Mapped[datetime | None]


# ── Campaigns and the ledger ─────────────────────────────────────────────────


class Campaign(Model):
    """Something said to a segment over a channel. `content` is the current version."""

    __tablename__ = "campaigns"
    __table_args__ = (one_of("state", CAMPAIGN_STATES), Index("ix_campaigns_due", "state", "scheduled_at"))

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    goal: Mapped[str] = mapped_column(server_default="")
    channel: Mapped[str] = mapped_column(server_default="email")
    state: Mapped[str] = mapped_column(server_default="draft")
    segment_id: Mapped[int | None] = mapped_column(ForeignKey("segments.id", ondelete="RESTRICT"), index=True)
    content: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    version: Mapped[int] = mapped_column(server_default="0")
    unknown_policy: Mapped[str] = mapped_column(server_default="resend")
    scheduled_at: Mapped[datetime | None]
    timezone: Mapped[str | None]
    launch_at: Mapped[datetime | None]
    launched_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    pause_reason: Mapped[str | None]
    compiled: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    dry_run: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    planned_count: Mapped[int] = mapped_column(server_default="0")
    proposal_id: Mapped[int | None] = mapped_column(ForeignKey("proposals.id", ondelete="SET NULL", use_alter=True))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    archived_at: Mapped[datetime | None]
    segment: Mapped[Segment | None] = relationship()


class CampaignVersion(Model):
    """A saved state of a campaign's content; autosaves of one person in a row share one version."""

    __tablename__ = "campaign_versions"
    __table_args__ = (UniqueConstraint("campaign_id", "number"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    number: Mapped[int]
    content: Mapped[dict[str, Any]]
    made_by: Mapped[str]
    note: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Message(Model):
    """The ledger and the queue of sending: one row per campaign, contact and channel.

    Two contacts that were merged may both have got a campaign: the second one's message `is_merged`.
    """

    __tablename__ = "messages"
    __table_args__ = (
        one_of("state", MESSAGE_STATES),
        Index(
            "uq_messages_once",
            "campaign_id",
            "contact_id",
            "channel",
            unique=True,
            postgresql_where=text("NOT is_merged"),
        ),
        Index(
            "ix_messages_due", "campaign_id", "next_try_at", postgresql_where=text("state IN ('pending', 'deferred')")
        ),
        Index("ix_messages_held", "claimed_by", postgresql_where=text("state IN ('claimed', 'attempting')")),
        Index("ix_messages_state", "campaign_id", "state", "id"),
        Index("ix_messages_contact", "contact_id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="RESTRICT"))
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contacts.id", ondelete="SET NULL"))
    channel: Mapped[str] = mapped_column(server_default="email")
    address: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="pending")
    reason: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    unknown_count: Mapped[int] = mapped_column(server_default="0")
    next_try_at: Mapped[datetime | None]
    first_tried_at: Mapped[datetime | None]
    claimed_by: Mapped[str | None]
    finished_at: Mapped[datetime | None]
    response_code: Mapped[int | None]
    response: Mapped[str | None]
    queue_id: Mapped[str | None]
    is_merged: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SendingLease(Model):
    """A worker that holds messages, and until when it is taken for alive; its messages carry its name."""

    __tablename__ = "sending_leases"

    worker: Mapped[str] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    until: Mapped[datetime]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CampaignTally(Model):
    """How many messages stand where, as one writer changed it; the sum over the writers is the truth.

    A row of its own per writer keeps workers from waiting for each other, and a page from counting a million rows.
    """

    __tablename__ = "campaign_tallies"

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True)
    writer: Mapped[str] = mapped_column(primary_key=True)
    planned: Mapped[int] = mapped_column(server_default="0")
    pending: Mapped[int] = mapped_column(server_default="0")
    claimed: Mapped[int] = mapped_column(server_default="0")
    attempting: Mapped[int] = mapped_column(server_default="0")
    deferred: Mapped[int] = mapped_column(server_default="0")
    sent: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    suppressed: Mapped[int] = mapped_column(server_default="0")
    unknown: Mapped[int] = mapped_column(server_default="0")
    opens_human: Mapped[int] = mapped_column(server_default="0")
    opens_machine: Mapped[int] = mapped_column(server_default="0")
    clicks_human: Mapped[int] = mapped_column(server_default="0")
    clicks_machine: Mapped[int] = mapped_column(server_default="0")
    unsubscribed: Mapped[int] = mapped_column(server_default="0")
    bounced: Mapped[int] = mapped_column(server_default="0")
    complained: Mapped[int] = mapped_column(server_default="0")


class TestMessage(Model):
    """A mail that somebody sent to try a campaign out; its unsubscribe link works like any other."""

    __tablename__ = "test_messages"
    __test__ = False

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"), index=True)
    address: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="attempting")
    response: Mapped[str | None]
    sent_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class TrackedLink(Model):
    """A link of a launched campaign; the only place from which a click's target is read."""

    __tablename__ = "tracked_links"
    __table_args__ = (UniqueConstraint("campaign_id", "position"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    position: Mapped[int]
    url: Mapped[str]
    label: Mapped[str] = mapped_column(server_default="")
    is_honeypot: Mapped[bool] = mapped_column(server_default="false")


class TrackingEvent(Model):
    """An open, a click or an unsubscribe: by a person, a machine, or unsure, with the reason."""

    __tablename__ = "tracking_events"
    __table_args__ = (
        one_of("kind", ("open", "click", "unsubscribe", "view", "complaint", "bounce")),
        one_of("actor", ("human", "machine", "unsure")),
        Index("ix_tracking_events_campaign", "campaign_id", "kind", "actor"),
        Index("ix_tracking_events_message", "message_id"),
        Index("ix_tracking_events_at", "at"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contacts.id", ondelete="SET NULL"), index=True)
    link_id: Mapped[int | None] = mapped_column(ForeignKey("tracked_links.id", ondelete="SET NULL"))
    kind: Mapped[str]
    actor: Mapped[str]
    reason: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class EventDay(Model):
    """How much happened on one day, in the zone of the settings: what analytics reads instead of every event.

    `kind` is sent, or the kind of the events; `link_id` is 0 where no link was followed.
    """

    __tablename__ = "event_days"
    __table_args__ = (Index("ix_event_days_campaign", "campaign_id", "day"),)

    day: Mapped[date] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    actor: Mapped[str] = mapped_column(primary_key=True)
    link_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int]


class CohortMonth(Model):
    """Of the contacts who arrived in one month, how many there are, are subscribed, or read or clicked in a month."""

    __tablename__ = "cohort_months"
    __table_args__ = (one_of("kind", ("arrived", "subscribed", "active")),)

    cohort: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    count: Mapped[int]


class AnalyticsSum(Model):
    """How far the sums of analytics reach: one row per kind of sums. `through` is the newest day or month in them."""

    __tablename__ = "analytics_sums"

    kind: Mapped[str] = mapped_column(primary_key=True)
    zone: Mapped[str]
    through: Mapped[date | None]
    summed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ConversionRules(Model):
    """Which conversions LUX takes and from which sites, and how long after a click it counts as its cause: one row."""

    __tablename__ = "conversion_rules"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sites: Mapped[list[Any]] = mapped_column(server_default="[]")
    names: Mapped[list[Any]] = mapped_column(server_default='["purchase", "sign_up", "lead"]')
    window_days: Mapped[int] = mapped_column(server_default="30")
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Conversion(Model):
    """Something worth reaching that somebody did on a site: when, its value, and the click that led there.

    `dedupe_sha256` stands for the name and the sender's own reference: told twice, it counts once. `origin` is the
    visitor's browser, which may claim anything, or a server with a token of its own.
    """

    __tablename__ = "conversions"
    __table_args__ = (
        one_of("origin", ("site", "server")),
        one_of("attribution", ("click", "utm", "none")),
        CheckConstraint("value >= 0", name="value_positive"),
        Index("ix_conversions_at", "at"),
        Index("ix_conversions_contact", "contact_id", postgresql_where=text("contact_id IS NOT NULL")),
        Index("ix_conversions_campaign", "campaign_id", postgresql_where=text("campaign_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    dedupe_sha256: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    reference: Mapped[str | None]
    value: Mapped[Decimal | None] = mapped_column(Numeric(14, 2))
    currency: Mapped[str | None]
    origin: Mapped[str]
    attribution: Mapped[str] = mapped_column(server_default="none")
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contacts.id", ondelete="SET NULL"))
    campaign_id: Mapped[int | None] = mapped_column(ForeignKey("campaigns.id", ondelete="SET NULL"))
    link_id: Mapped[int | None] = mapped_column(ForeignKey("tracked_links.id", ondelete="SET NULL"))
    utm_source: Mapped[str | None]
    utm_medium: Mapped[str | None]
    utm_campaign: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    noted_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SendingRules(Model):
    """When LUX may write to people: one row. The quiet hours are times of day in the zone of the settings."""

    __tablename__ = "sending_rules"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    is_double_opt_in: Mapped[bool] = mapped_column(server_default="false")
    quiet_from: Mapped[time | None]
    quiet_until: Mapped[time | None]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ChannelState(Model):
    """Whether a channel is open, paused or broken, and why."""

    __tablename__ = "channel_states"

    channel: Mapped[str] = mapped_column(primary_key=True)
    is_paused: Mapped[bool] = mapped_column(server_default="false")
    reason: Mapped[str | None]
    rest_count: Mapped[int] = mapped_column(server_default="0")
    rests_until: Mapped[datetime | None]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ReceivingDomain(Model):
    """How fast a receiving domain takes mail: additive increase, multiplicative decrease."""

    __tablename__ = "receiving_domains"

    domain: Mapped[str] = mapped_column(primary_key=True)
    slowed_until: Mapped[datetime | None]
    last_response: Mapped[str | None]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


# ── Agents and the model ─────────────────────────────────────────────────────


class AgentSchedule(Model):
    """An agent's task that runs on the clock with a kept brief; what it finds waits for approval."""

    __tablename__ = "agent_schedules"
    __table_args__ = (
        one_of("every", ("day", "week", "month")),
        Index("ix_agent_schedules_due", "next_at", postgresql_where=text("is_active")),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    agent: Mapped[str] = mapped_column(index=True)
    task: Mapped[str]
    brief: Mapped[dict[str, Any]]
    every: Mapped[str]
    hour: Mapped[int]
    timezone: Mapped[str]
    is_active: Mapped[bool] = mapped_column(server_default="true")
    next_at: Mapped[datetime]
    note: Mapped[str] = mapped_column(server_default="")
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    user: Mapped[User | None] = relationship()


class AgentRun(Model):
    """One run of an agent's task: brief, evidence, drafts, result, cost."""

    __tablename__ = "agent_runs"
    __table_args__ = (one_of("state", RUN_STATES), Index("ix_agent_runs_agent", "agent", text("id DESC")))

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    agent: Mapped[str]
    task: Mapped[str]
    brief: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(server_default="waiting")
    provider: Mapped[str | None]
    model: Mapped[str | None]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    evidence: Mapped[list[Any]] = mapped_column(server_default="[]")
    result: Mapped[dict[str, Any] | None]
    version: Mapped[int] = mapped_column(server_default="0")
    tokens_in: Mapped[int] = mapped_column(server_default="0")
    tokens_out: Mapped[int] = mapped_column(server_default="0")
    cost_usd: Mapped[float] = mapped_column(server_default="0")
    error: Mapped[str | None]
    is_stop_wanted: Mapped[bool] = mapped_column(server_default="false")
    way: Mapped[str] = mapped_column(server_default="model")
    attempt: Mapped[int] = mapped_column(server_default="0")
    schedule_id: Mapped[int | None] = mapped_column(ForeignKey("agent_schedules.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    heard_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    user: Mapped[User | None] = relationship()


class AgentRunEvent(Model):
    """One event of a run's stream; a page that reloads goes on from the last number it saw."""

    __tablename__ = "agent_run_events"

    run_id: Mapped[int] = mapped_column(ForeignKey("agent_runs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    detail: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class AgentRunVersion(Model):
    """A version of a run's draft: by the agent or by a person."""

    __tablename__ = "agent_run_versions"

    run_id: Mapped[int] = mapped_column(ForeignKey("agent_runs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    body: Mapped[dict[str, Any]]
    made_by: Mapped[str]
    note: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Proposal(Model):
    """What an agent proposes to do; a person approves, edits, refuses or undoes it."""

    __tablename__ = "proposals"
    __table_args__ = (one_of("state", PROPOSAL_STATES), Index("ix_proposals_state", "state", text("id DESC")))

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("agent_runs.id", ondelete="SET NULL"), index=True)
    agent: Mapped[str]
    action: Mapped[str]
    slot: Mapped[str] = mapped_column(server_default="")
    title: Mapped[str]
    payload: Mapped[dict[str, Any]]
    reason: Mapped[str]
    effect: Mapped[str] = mapped_column(server_default="")
    is_reversible: Mapped[bool] = mapped_column(server_default="true")
    state: Mapped[str] = mapped_column(server_default="pending")
    outcome: Mapped[dict[str, Any] | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    decided_at: Mapped[datetime | None]
    decision_note: Mapped[str | None]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    run: Mapped[AgentRun | None] = relationship()
    decided_by: Mapped[User | None] = relationship()


class AiCall(Model):
    """One call of the model: what for, how long, how much."""

    __tablename__ = "ai_calls"
    __table_args__ = (one_of("state", ("reserved", "done", "failed")),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    purpose: Mapped[str]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("agent_runs.id", ondelete="SET NULL"))
    turn_id: Mapped[int | None] = mapped_column(ForeignKey("chat_turns.id", ondelete="SET NULL"), index=True)
    model: Mapped[str]
    state: Mapped[str]
    tokens_in: Mapped[int] = mapped_column(server_default="0")
    tokens_out: Mapped[int] = mapped_column(server_default="0")
    cost_usd: Mapped[float] = mapped_column(server_default="0")
    duration_seconds: Mapped[float | None]
    cause: Mapped[str | None]
    error: Mapped[str | None]


# ── Publishing: posts, articles, the calendar ────────────────────────────────


class OutgoingWebhook(Model):
    """An address to which LUX posts what is due, signed; `secret` is encrypted, and so is the one before it.

    `networks` are those whose posts go there, none: all. `unknown_policy` says what happens to a post of which nobody
    can tell whether it arrived: sent again under the same id, or left to a person.
    """

    __tablename__ = "outgoing_webhooks"
    __table_args__ = (one_of("unknown_policy", UNKNOWN_POLICIES),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    url: Mapped[str]
    secret: Mapped[str]
    former_secret: Mapped[str | None]
    former_until: Mapped[datetime | None]
    networks: Mapped[list[Any]] = mapped_column(server_default="[]")
    unknown_policy: Mapped[str] = mapped_column(server_default="resend")
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    paused_at: Mapped[datetime | None]
    pause_reason: Mapped[str] = mapped_column(server_default="")
    archived_at: Mapped[datetime | None]


class Article(Model):
    """A text to be published elsewhere. `content` is the current version; `title` repeats its title for lists."""

    __tablename__ = "articles"
    __table_args__ = (
        one_of("state", ARTICLE_STATES),
        Index(
            "ix_articles_listed", text("updated_at DESC"), text("id DESC"), postgresql_where=text("archived_at IS NULL")
        ),
        Index("ix_articles_planned", "planned_at"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    title: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="draft")
    content: Mapped[dict[str, Any]]
    version: Mapped[int] = mapped_column(server_default="0")
    planned_at: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
    published_url: Mapped[str] = mapped_column(server_default="")
    made_by: Mapped[str]
    proposal_id: Mapped[int | None] = mapped_column(ForeignKey("proposals.id", ondelete="SET NULL"), index=True)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    archived_at: Mapped[datetime | None]


class ArticleVersion(Model):
    """A saved state of an article; autosaves of one person in a row share one version."""

    __tablename__ = "article_versions"
    __table_args__ = (UniqueConstraint("article_id", "number"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id", ondelete="CASCADE"))
    number: Mapped[int]
    content: Mapped[dict[str, Any]]
    made_by: Mapped[str]
    note: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Post(Model):
    """A post for one network. A draft may have an hour too; only a planned one is published at it."""

    __tablename__ = "posts"
    __table_args__ = (
        one_of("state", POST_STATES),
        CheckConstraint("state <> 'planned' OR planned_at IS NOT NULL", name="planned_has_hour"),
        Index("ix_posts_due", "planned_at", postgresql_where=text("state = 'planned'")),
        Index("ix_posts_planned", "planned_at"),
        Index("ix_posts_published", "published_at"),
        Index("ix_posts_listed", text("id DESC"), postgresql_where=text("archived_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    network: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="draft")
    text: Mapped[str] = mapped_column(server_default="")
    tags: Mapped[list[Any]] = mapped_column(server_default="[]")
    link: Mapped[str] = mapped_column(server_default="")
    utm_campaign: Mapped[str] = mapped_column(server_default="")
    asset_id: Mapped[int | None] = mapped_column(ForeignKey("assets.id", ondelete="SET NULL"), index=True)
    alt: Mapped[str] = mapped_column(server_default="")
    planned_at: Mapped[datetime | None]
    webhook_id: Mapped[int | None] = mapped_column(ForeignKey("outgoing_webhooks.id", ondelete="SET NULL"), index=True)
    article_id: Mapped[int | None] = mapped_column(ForeignKey("articles.id", ondelete="SET NULL"), index=True)
    published_at: Mapped[datetime | None]
    published_by: Mapped[str] = mapped_column(server_default="")
    published_url: Mapped[str] = mapped_column(server_default="")
    trouble: Mapped[str] = mapped_column(server_default="")
    made_by: Mapped[str]
    proposal_id: Mapped[int | None] = mapped_column(ForeignKey("proposals.id", ondelete="SET NULL"), index=True)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    archived_at: Mapped[datetime | None]
    asset: Mapped[Asset | None] = relationship()
    webhook: Mapped[OutgoingWebhook | None] = relationship()
    article: Mapped[Article | None] = relationship()


class WebhookDelivery(Model):
    """One thing on its way to an outgoing webhook, under one id over all its attempts. No post: a test.

    Whoever makes an attempt owns the row until `held_until`; `body` is what is signed and sent, letter by letter.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        one_of("state", DELIVERY_STATES),
        Index("ix_webhook_deliveries_due", "next_try_at", postgresql_where=text("state = 'waiting'")),
        Index("ix_webhook_deliveries_held", "held_until", postgresql_where=text("state = 'attempting'")),
        Index(
            "uq_webhook_deliveries_open",
            "post_id",
            unique=True,
            postgresql_where=text("state IN ('waiting', 'attempting')"),
        ),
        Index("ix_webhook_deliveries_webhook", "webhook_id", text("id DESC")),
        Index("ix_webhook_deliveries_post", "post_id", text("id DESC")),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("outgoing_webhooks.id", ondelete="CASCADE"))
    post_id: Mapped[int | None] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    message_id: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    body: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="waiting")
    attempts: Mapped[int] = mapped_column(server_default="0")
    next_try_at: Mapped[datetime | None] = mapped_column(server_default=func.now())
    held_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
    webhook: Mapped[OutgoingWebhook] = relationship()
    post: Mapped[Post | None] = relationship()


class WebhookAttempt(Model):
    """One attempt at a delivery, written down before it is made and completed after it."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (one_of("state", ATTEMPT_STATES),)

    delivery_id: Mapped[int] = mapped_column(ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(server_default="attempting")
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
    address: Mapped[str] = mapped_column(server_default="")
    status: Mapped[int | None]
    text: Mapped[str] = mapped_column(server_default="")


class CalendarEntry(Model):
    """A date that the team keeps in mind, such as an event; nothing happens by itself on it."""

    __tablename__ = "calendar_entries"
    __table_args__ = (CheckConstraint("ends_on >= starts_on", name="days_in_order"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    title: Mapped[str]
    detail: Mapped[str] = mapped_column(server_default="")
    starts_on: Mapped[date] = mapped_column(index=True)
    ends_on: Mapped[date]
    made_by: Mapped[str]
    proposal_id: Mapped[int | None] = mapped_column(ForeignKey("proposals.id", ondelete="SET NULL"), index=True)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    archived_at: Mapped[datetime | None]


# ── Plans of advertising ─────────────────────────────────────────────────────


class AdPlan(Model):
    """What is advertised, for how much, from when to when; `parts` splits the budget, in cents, over channels."""

    __tablename__ = "ad_plans"
    __table_args__ = (
        one_of("goal", AD_GOALS),
        CheckConstraint("budget_cents >= 0", name="budget_not_negative"),
        CheckConstraint("ends_on >= starts_on", name="days_in_order"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    goal: Mapped[str] = mapped_column(server_default="contacts")
    note: Mapped[str] = mapped_column(server_default="")
    link: Mapped[str] = mapped_column(server_default="")
    currency: Mapped[str] = mapped_column(server_default="USD")
    budget_cents: Mapped[int] = mapped_column(server_default="0")
    parts: Mapped[list[Any]] = mapped_column(server_default="[]")
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    made_by: Mapped[str]
    proposal_id: Mapped[int | None] = mapped_column(ForeignKey("proposals.id", ondelete="SET NULL"), index=True)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    archived_at: Mapped[datetime | None]
    ads: Mapped[list[PlannedAd]] = relationship(order_by="PlannedAd.id", cascade="all, delete-orphan")
    audiences: Mapped[list[PlannedAudience]] = relationship(order_by="PlannedAudience.id", cascade="all, delete-orphan")


class PlannedAd(Model):
    """One ad of a plan: its texts in the limits of its format, and the picture that it shows."""

    __tablename__ = "planned_ads"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("ad_plans.id", ondelete="CASCADE"), index=True)
    format: Mapped[str]
    name: Mapped[str]
    headlines: Mapped[list[Any]]
    descriptions: Mapped[list[Any]]
    link: Mapped[str] = mapped_column(server_default="")
    asset_id: Mapped[int | None] = mapped_column(ForeignKey("assets.id", ondelete="SET NULL"))
    asset: Mapped[Asset | None] = relationship()


class PlannedAudience(Model):
    """A segment whom a plan's ads are for, or who shall not see them."""

    __tablename__ = "planned_audiences"
    __table_args__ = (UniqueConstraint("plan_id", "segment_id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("ad_plans.id", ondelete="CASCADE"))
    segment_id: Mapped[int] = mapped_column(ForeignKey("segments.id", ondelete="CASCADE"), index=True)
    is_excluded: Mapped[bool] = mapped_column(server_default="false")
    note: Mapped[str] = mapped_column(server_default="")
    segment: Mapped[Segment] = relationship()


# ── What people have to do ───────────────────────────────────────────────────


class PersonTask(Model):
    """Something that a person has to do: by hand or from an agent's run, for a contact or a campaign."""

    __tablename__ = "person_tasks"
    __table_args__ = (
        one_of("state", PERSON_TASK_STATES),
        Index("ix_person_tasks_open", "state", "due_on", "id"),
        Index("ix_person_tasks_assignee", "assignee_id", "state", "due_on", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    title: Mapped[str]
    detail: Mapped[str] = mapped_column(server_default="")
    state: Mapped[str] = mapped_column(server_default="open")
    due_on: Mapped[date | None]
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), index=True)
    campaign_id: Mapped[int | None] = mapped_column(ForeignKey("campaigns.id", ondelete="SET NULL"), index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("agent_runs.id", ondelete="SET NULL"), index=True)
    link: Mapped[str] = mapped_column(server_default="")
    made_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]
    closed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    assignee: Mapped[User | None] = relationship(foreign_keys=[assignee_id])
    contact: Mapped[Contact | None] = relationship()
    campaign: Mapped[Campaign | None] = relationship()


# ── The clock and the processes ──────────────────────────────────────────────


class JobRun(Model):
    """One run of a timed job; the unique slot is the fence against a second one."""

    __tablename__ = "job_runs"
    __table_args__ = (UniqueConstraint("job", "slot"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    job: Mapped[str]
    slot: Mapped[datetime]
    process: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="running")
    error: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    finished_at: Mapped[datetime | None]


class ProcessHeartbeat(Model):
    """When a process of LUX was last seen alive."""

    __tablename__ = "process_heartbeats"

    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    detail: Mapped[dict[str, Any]] = mapped_column(server_default="{}")


# ── Errors ───────────────────────────────────────────────────────────────────


class ErrorGroup(Model):
    """All errors of one kind: exact count, first and last seen, state."""

    __tablename__ = "error_groups"
    __table_args__ = (
        one_of("severity", SEVERITIES),
        one_of("state", ERROR_STATES),
        Index("ix_error_groups_last_seen", text("last_seen DESC"), text("id DESC")),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(unique=True)
    fingerprint_version: Mapped[int]
    error_type: Mapped[str]
    title: Mapped[str]
    place: Mapped[str | None]
    source: Mapped[str]
    severity: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="open")
    count: Mapped[int] = mapped_column(server_default="0")
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    first_release: Mapped[str | None]
    last_release: Mapped[str | None]
    resolved_release: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
    resolution_notes: Mapped[str | None]
    alerted_at: Mapped[datetime | None]
    alert_reason: Mapped[str | None]
    is_noise: Mapped[bool] = mapped_column(server_default="false")


class ErrorHour(Model):
    """How often a group occurred in one hour, and for how many it did."""

    __tablename__ = "error_hours"

    group_id: Mapped[int] = mapped_column(ForeignKey("error_groups.id", ondelete="CASCADE"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    count: Mapped[int]


class ErrorLog(Model):
    """A sample of an error group: the first five, then powers of two, and the latest."""

    __tablename__ = "error_log"
    __table_args__ = (
        one_of("severity", SEVERITIES),
        Index("ix_error_log_created", text("created_at DESC"), text("id DESC")),
        Index("ix_error_log_group", "group_id", text("id DESC")),
        Index("uq_error_log_latest", "group_id", unique=True, postgresql_where=text("is_latest")),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    error_type: Mapped[str]
    error_message: Mapped[str]
    error_stack: Mapped[str | None]
    endpoint: Mapped[str | None]
    method: Mapped[str | None]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    severity: Mapped[str] = mapped_column(server_default="error")
    is_resolved: Mapped[bool] = mapped_column(server_default="false")
    resolution_notes: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    group_id: Mapped[int] = mapped_column(ForeignKey("error_groups.id", ondelete="CASCADE"))
    event_id: Mapped[str] = mapped_column(unique=True)
    is_latest: Mapped[bool] = mapped_column(server_default="false")
    request_id: Mapped[str | None] = mapped_column(index=True)
    release: Mapped[str | None]
    fingerprint: Mapped[str]
    context: Mapped[dict[str, Any]] = mapped_column(server_default="{}")


class ErrorFlush(Model):
    """A spool segment that has been recorded: a second drain of it counts nothing twice."""

    __tablename__ = "error_flushes"

    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class LogPosition(Model):
    """How far a log has been read by the importer, by the log reader's own words for a place in it."""

    __tablename__ = "log_positions"

    source: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    read_at: Mapped[datetime] = mapped_column(server_default=func.now())


class HealthResult(Model):
    """What a health check that asks somebody outside found last."""

    __tablename__ = "health_results"

    key: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    text: Mapped[str]
    value: Mapped[str | None]
    unit: Mapped[str | None]
    advice: Mapped[str] = mapped_column(server_default="")
    checked_at: Mapped[datetime]
    took_ms: Mapped[float | None]


# ── Repairs ──────────────────────────────────────────────────────────────────


class RepairPlan(Model):
    """What was found out about an error group and what may be done about it; `baseline` is what was probed before.

    `outcome` is set where no group stands for the fault: what came of a repair of the system, in the words of groups.
    """

    __tablename__ = "repair_plans"
    __table_args__ = (
        Index("ix_repair_plans_group", "group_id", text("id DESC")),
        one_of("state", REPAIR_PLAN_STATES),
        one_of("outcome", REPAIR_OUTCOMES),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    group_id: Mapped[int | None] = mapped_column(ForeignKey("error_groups.id", ondelete="CASCADE"))
    error_id: Mapped[int | None]
    origin: Mapped[str]
    mode: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="planned")
    actor: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    rule: Mapped[str]
    diagnosis: Mapped[dict[str, Any]]
    facts: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    fix_steps: Mapped[list[Any]] = mapped_column(server_default="[]")
    baseline: Mapped[list[Any]] = mapped_column(server_default="[]")
    tests: Mapped[list[Any]] = mapped_column(server_default="[]")
    outcome: Mapped[str | None]
    note: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]


class RepairStep(Model):
    """One repair of a plan: its dry run, who approved which text of it, how it went, what undoes it."""

    __tablename__ = "repair_steps"
    __table_args__ = (
        one_of("state", REPAIR_STEP_STATES),
        one_of("tier", ("A", "P", "H")),
        UniqueConstraint("plan_id", "position"),
        Index("ix_repair_steps_repair", "repair", "started_at"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("repair_plans.id", ondelete="CASCADE"))
    position: Mapped[int]
    repair: Mapped[str]
    tier: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="planned")
    obstacle: Mapped[str | None]
    dry_run: Mapped[str | None]
    digest: Mapped[str | None]
    dry_run_at: Mapped[datetime | None]
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]
    is_automatic: Mapped[bool] = mapped_column(server_default="false")
    progress: Mapped[list[Any]] = mapped_column(server_default="[]")
    before: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    after: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    undo: Mapped[dict[str, Any] | None]
    outcome: Mapped[str | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]
    plan: Mapped[RepairPlan] = relationship()


class RepairReceipt(Model):
    """What was done, by whom, on which evidence, with what proof. Append-only: the database refuses every change.

    No foreign keys: a receipt outlives what it tells of, and nothing that is deleted may touch it.
    """

    __tablename__ = "repair_receipts"
    __table_args__ = (
        Index("ix_repair_receipts_group", "group_id", text("id DESC")),
        Index("ix_repair_receipts_repair", "repair", "at"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    kind: Mapped[str]
    actor: Mapped[str]
    user_id: Mapped[int | None]
    plan_id: Mapped[int | None]
    step_id: Mapped[int | None]
    group_id: Mapped[int | None]
    repair: Mapped[str | None]
    rule: Mapped[str | None]
    is_automatic: Mapped[bool] = mapped_column(server_default="false")
    evidence: Mapped[list[Any]] = mapped_column(server_default="[]")
    before: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    after: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    proof: Mapped[list[Any]] = mapped_column(server_default="[]")
    undo: Mapped[str] = mapped_column(server_default="")
    note: Mapped[str] = mapped_column(server_default="")


class RepairVerification(Model):
    """A group that is being watched after a change: what has to happen before it counts as resolved."""

    __tablename__ = "repair_verifications"
    __table_args__ = (
        one_of("state", ("open", "resolved_verified", "still_failing", "quiet_unverified", "needs_human")),
        Index("ix_repair_verifications_group", "group_id", text("id DESC")),
        Index("uq_repair_verifications_open", "group_id", unique=True, postgresql_where=text("state = 'open'")),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("error_groups.id", ondelete="CASCADE"))
    plan_id: Mapped[int] = mapped_column(ForeignKey("repair_plans.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(server_default="open")
    changed_at: Mapped[datetime]
    due_at: Mapped[datetime]
    needed_successes: Mapped[int]
    counted_successes: Mapped[int] = mapped_column(server_default="0")
    counted_on: Mapped[str] = mapped_column(server_default="")
    cause_proof: Mapped[list[Any]] = mapped_column(server_default="[]")
    results: Mapped[list[Any]] = mapped_column(server_default="[]")
    closed_at: Mapped[datetime | None]
    plan: Mapped[RepairPlan] = relationship()


class RepairSwitch(Model):
    """A switch that a person turned on a page, such as the one that stops every repair."""

    __tablename__ = "repair_switches"

    key: Mapped[str] = mapped_column(primary_key=True)
    is_on: Mapped[bool] = mapped_column(server_default="false")
    value: Mapped[str | None]
    reason: Mapped[str] = mapped_column(server_default="")
    changed_by: Mapped[str] = mapped_column(server_default="")
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


# ── Conversations ────────────────────────────────────────────────────────────


class Conversation(Model):
    """What one person, or one program, has asked LUX in a row. `asked_by` says whose it is."""

    __tablename__ = "conversations"
    __table_args__ = (Index("ix_conversations_asked_by", "asked_by", text("id DESC")),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    asked_by: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    title: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    user: Mapped[User | None] = relationship()


class ChatTurn(Model):
    """One message and its answer. A cleared conversation leaves its turns behind without a word in them.

    `model_text` is the answer as the model may read it again. Whoever carries the turn out promises to be heard of
    before `alive_until`. `key` is the sender's own name for the message: sent twice, it is answered once.
    """

    __tablename__ = "chat_turns"
    __table_args__ = (
        one_of("state", TURN_STATES),
        UniqueConstraint("asked_by", "key"),
        Index("ix_chat_turns_asked_by", "asked_by", "created_at"),
        Index("ix_chat_turns_conversation", "conversation_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversations.id", ondelete="SET NULL"))
    asked_by: Mapped[str]
    key: Mapped[str | None]
    role: Mapped[str]
    message: Mapped[str]
    action: Mapped[str]
    page: Mapped[str] = mapped_column(server_default="")
    state: Mapped[str] = mapped_column(server_default="streaming")
    response: Mapped[str] = mapped_column(server_default="")
    model_text: Mapped[str] = mapped_column(server_default="")
    provider: Mapped[str | None]
    model: Mapped[str | None]
    evidence: Mapped[list[Any]] = mapped_column(server_default="[]")
    cards: Mapped[list[Any]] = mapped_column(server_default="[]")
    repair: Mapped[dict[str, Any] | None]
    tokens_in: Mapped[int] = mapped_column(server_default="0")
    tokens_out: Mapped[int] = mapped_column(server_default="0")
    cost_usd: Mapped[float] = mapped_column(server_default="0")
    error: Mapped[str | None]
    is_stop_wanted: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    alive_until: Mapped[datetime] = mapped_column(server_default=text("now() + interval '30 seconds'"))
    finished_at: Mapped[datetime | None]
    conversation: Mapped[Conversation | None] = relationship()


class ChatTurnEvent(Model):
    """One event of a turn's stream; a page that reloads goes on from the last number it saw."""

    __tablename__ = "chat_turn_events"

    turn_id: Mapped[int] = mapped_column(ForeignKey("chat_turns.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    detail: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
