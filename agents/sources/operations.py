"""What the operations agent reads: the webhook inbox, its senders, contacts' data, doubles, deliverability."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, select

from agents.sources.readings import FEWEST_SENT, Reading, make_reading, percent_of
from audience.consent import is_suppressed_contact
from audience.duplicates import SURE, Likeness, list_likenesses, word_of
from audience.intake_inbox import REASONS, count_by_state, count_dead_by_reason
from audience.merge_plans import plan_merge, suggest_kept
from campaigns.channel_states import find_pause_reason, find_rest, list_slow_domains
from channels.sender_domain import check_domain, find_sender_domain
from config import current_settings
from extensions import db
from lib.clean_text import one_line
from models import Campaign, CampaignTally, ConsentEntry, Contact, IntakeBody, Message, WebhookCredential

MOST_SAMPLES = 5
MOST_GROUPS = 10
LATE_MINUTES = 5
SILENT_DAYS = 7
ROLE_NAMES = ("info", "admin", "office", "support", "sales", "contact", "hello", "noreply", "no-reply", "postmaster")
# A domain with fewer messages might be one person's own: it is not told by name.
FEWEST_PER_DOMAIN = 10


def read_intake() -> Reading:
    """Bodies by state, the dead ones by reason, and what waits too long."""
    states = count_by_state()
    late_since = datetime.now(UTC) - timedelta(minutes=LATE_MINUTES)
    late = db.session.scalar(select(func.count()).where(IntakeBody.state == "new", IntakeBody.received_at < late_since))
    dead = [
        {"reason": REASONS.get(reason, (reason, ""))[0], "dead": count, "advice": REASONS.get(reason, ("", ""))[1]}
        for reason, count in count_dead_by_reason()
    ]
    received = sum(states.values())
    intake: dict[str, Any] = {
        "received": received,
        **states,
        "dead_percent": percent_of(states["dead"], received),
        "waiting_longer_than_5_minutes": late or 0,
    }
    kept = {"dead_reasons": {REASONS.get(reason, (reason, ""))[0]: reason for reason, _ in count_dead_by_reason()}}
    value = f"{received:,} bodies kept, {states['dead']:,} of them dead"
    facts = {"intake": intake, "dead_by_reason": dead}
    coverage = 1.0 if received else 0.3
    return make_reading("intake", "Webhook inbox", value, facts, source="/webhook-inbox/", coverage=coverage, kept=kept)


def read_senders() -> Reading:
    """Each credential: when it was last used, what it sent in thirty days, how much of it died."""
    now = datetime.now(UTC)
    recent = IntakeBody.received_at >= now - timedelta(days=30)
    rows = db.session.execute(
        select(
            WebhookCredential.id,
            WebhookCredential.label,
            WebhookCredential.used_at,
            func.count(IntakeBody.id),
            func.count(IntakeBody.id).filter(IntakeBody.state == "dead"),
        )
        .outerjoin(IntakeBody, and_(IntakeBody.credential_id == WebhookCredential.id, recent))
        .where(WebhookCredential.revoked_at.is_(None))
        .group_by(WebhookCredential.id)
        .order_by(func.count(IntakeBody.id).desc(), WebhookCredential.id)
        .limit(20)
    ).all()
    senders = [
        {
            "sender": one_line(label)[:60],
            "last_used_days_ago": (now - used_at).days if used_at else None,
            "bodies_in_30_days": bodies,
            "dead": dead,
            "dead_percent": percent_of(dead, bodies),
        }
        for _, label, used_at, bodies, dead in rows
    ]
    value = f"{len(senders)} credentials" if senders else "no credential yet"
    coverage = 1.0 if senders else 0.3
    return make_reading(
        "senders", "Senders in 30 days", value, {"senders": senders}, source="/settings/connections", coverage=coverage
    )


def read_data_quality() -> Reading:
    """Each rule that contacts' data fails: how many, what share, and a few of them by their number."""
    total = db.session.scalar(select(func.count()).select_from(Contact)) or 0
    local = func.split_part(Contact.email, "@", 1)
    has_consent = exists().where(ConsentEntry.contact_id == Contact.id)
    rules: list[tuple[str, ColumnElement[bool]]] = [
        ("No name", func.coalesce(Contact.name, "") == ""),
        ("No source", func.coalesce(Contact.source, "") == ""),
        (
            "A phone number that cannot be read",
            and_(Contact.phone.is_(None), func.coalesce(Contact.phone_raw, "") != ""),
        ),
        ("A shared address such as info@", local.in_(ROLE_NAMES)),
        ("Subscribed without a line in the consent ledger", and_(Contact.subscription == "subscribed", ~has_consent)),
        ("Subscribed and suppressed at once", and_(Contact.subscription == "subscribed", is_suppressed_contact())),
        ("A name that is an address or a number", Contact.name.regexp_match(r"@|^[0-9 .+-]+$")),
    ]
    found = []
    samples: dict[str, list[int]] = {}
    for name, condition in rules:
        count = db.session.scalar(select(func.count()).select_from(Contact).where(condition)) or 0
        if count:
            ids = db.session.scalars(select(Contact.id).where(condition).order_by(Contact.id).limit(MOST_SAMPLES))
            samples[name] = list(ids)
            examples = ", ".join(f"#{one}" for one in samples[name])
            found.append({"rule": name, "failing": count, "percent": percent_of(count, total), "examples": examples})
    found.sort(key=lambda row: -int(str(row["failing"])))
    value = f"{total:,} contacts, {len(found)} rules that some of them fail"
    facts = {"contacts": total, "rules_checked": [name for name, _ in rules], "failing": found}
    return make_reading(
        "quality", "Data of contacts", value, facts, source="/contacts", coverage=min(1.0, total / 20), kept=samples
    )


def read_duplicates() -> Reading:
    """Contacts that may be one person, with the reasons and how likely it is. Numbers, no names."""
    likenesses = list_likenesses()
    by_reason = Counter(reason for one in likenesses for reason in one.reasons)
    by_word = Counter(word_of(one.confidence) for one in likenesses)
    previews = [_preview(one) for one in likenesses[:MOST_GROUPS]]
    total = db.session.scalar(select(func.count()).select_from(Contact)) or 0
    facts = {
        "found": {"pairs": len(likenesses)},
        "found_by_likelihood": dict(by_word),
        "doubles": [{"reason": reason, "pairs": count} for reason, count in by_reason.most_common()],
        "pairs": [
            {name: one[name] for name in ("contacts", "likelihood", "reason", "keep", "note")} for one in previews
        ],
    }
    sure = [one for one in previews if one["likelihood"] >= SURE]
    return make_reading(
        "duplicates",
        "Doubles",
        f"{len(likenesses):,} pairs that may be one person",
        facts,
        source="/contacts/duplicates",
        coverage=min(1.0, total / 20),
        how="seven rules for address, phone and name; nothing is merged",
        kept={"merges": sure[:MOST_SAMPLES]},
    )


def _preview(likeness: Likeness) -> dict[str, Any]:
    """What a merge of two would mean: whom to keep, and what to mind."""
    first, second = (db.session.get_one(Contact, one) for one in (likeness.first_id, likeness.second_id))
    kept = suggest_kept(first, second)
    gone = second if kept is first else first
    refused = plan_merge(kept, gone).subscription in ("unsubscribed", "complained")
    return {
        "contacts": f"#{kept.id} and #{gone.id}",
        "likelihood": likeness.confidence,
        "reason": "; ".join(likeness.reasons),
        "keep": f"#{kept.id}",
        "note": "one of them has left: the merged contact must stay left alone" if refused else "",
        "kept_id": kept.id,
        "gone_id": gone.id,
    }


def read_deliverability() -> Reading:
    """The sender's domain by DNS, what servers refused in thirty days, and what is being spared."""
    settings = current_settings()
    domain = find_sender_domain(settings.mail_from)
    records = check_domain(domain) if domain else []
    since = datetime.now(UTC) - timedelta(days=30)
    receiving = func.split_part(Message.address, "@", 2)
    failed = func.count().filter(Message.state == "failed")
    by_domain = db.session.execute(
        select(receiving, func.count(), failed)
        .where(Message.state.in_(("sent", "failed")), Message.finished_at >= since)
        .group_by(receiving)
        .having(func.count() >= FEWEST_PER_DOMAIN)
        .order_by(failed.desc(), func.count().desc())
        .limit(8)
    ).all()
    whole = db.session.execute(
        select(func.count(), failed).where(Message.state.in_(("sent", "failed")), Message.finished_at >= since)
    ).one()
    bounced, complained = db.session.execute(
        select(
            func.count().filter(Contact.subscription == "bounced"),
            func.count().filter(Contact.subscription == "complained"),
        )
    ).one()
    rest = find_rest("email")
    facts = {
        "sender": {
            "domain": domain or "none: MAIL_FROM is not set",
            "postal_address": "set" if settings.postal_address else "not set",
            "channel": find_pause_reason("email") or (f"rests: {rest[1]}" if rest else "open"),
        },
        "records": [{"record": one.kind, "state": one.state, "advice": one.advice} for one in records],
        "messages_in_30_days": {
            "tried": whole[0],
            "refused": whole[1],
            "refused_percent": percent_of(whole[1], whole[0]),
            "bounced_contacts": bounced,
            "complained_contacts": complained,
        },
        "by_receiving_domain": [
            {"domain": one_line(name)[:60], "tried": tried, "refused": no, "refused_percent": percent_of(no, tried)}
            for name, tried, no in by_domain
        ],
        "spared_domains": len(list_slow_domains()),
    }
    good = sum(1 for one in records if one.state == "pass")
    value = f"{good} of {len(records)} records right, {whole[1]:,} of {whole[0]:,} messages refused"
    coverage = (0.5 if any(one.state != "unknown" for one in records) else 0.1) + 0.5 * min(1.0, whole[0] / FEWEST_SENT)
    return make_reading(
        "delivery",
        "Deliverability",
        value,
        facts,
        source="/settings/channels",
        coverage=coverage,
        how="DNS and the ledger",
    )


def read_failed_campaigns() -> Reading:
    """Campaigns of two weeks with messages that failed and may be tried again."""
    rows = db.session.execute(
        select(Campaign.id, Campaign.name, func.sum(CampaignTally.failed))
        .join(CampaignTally, CampaignTally.campaign_id == Campaign.id)
        .where(
            Campaign.launched_at >= datetime.now(UTC) - timedelta(days=14),
            Campaign.state.in_(("sending", "paused", "finished")),
        )
        .group_by(Campaign.id)
        .having(func.sum(CampaignTally.failed) > 0)
        .order_by(func.sum(CampaignTally.failed).desc())
        .limit(5)
    ).all()
    found = [{"campaign": one_line(name)[:80], "failed": int(failed)} for _, name, failed in rows]
    kept = {"failed_campaigns": [(int(row[0]), one_line(row[1])[:80], int(row[2])) for row in rows]}
    return make_reading(
        "failed",
        "Campaigns with failed messages",
        str(len(found)),
        {"failed_campaigns": found},
        source="/campaigns",
        kept=kept,
    )
