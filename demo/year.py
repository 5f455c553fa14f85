"""A year of the demo's campaigns: who got each, who opened, clicked and left, by people and by machines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, text, update

from campaigns.drafting import add_campaign
from campaigns.mail_brand import get_mail_brand
from campaigns.rendering import CompiledCampaign, render_campaign
from campaigns.tallies import add_to_tally
from demo.business import NEWSLETTERS, OFFERS, WHOLESALE, Mailing
from extensions import db
from models import Campaign, TrackedLink

WEEKS = 52
OFFER_EVERY_WEEKS = 3
WHOLESALE_EVERY_WEEKS = 5
MOST_MINUTES = 40
# Random numbers are drawn once for each message, so that one person's open and click belong together.
_MESSAGES = text("""
WITH drawn AS (
    SELECT id, email, random() AS fate, CAST(:at AS timestamptz) + CAST(:spread AS interval) * random() AS sent_at
    FROM contacts WHERE source = ANY(:sources) AND created_at < CAST(:at AS timestamptz)
        AND (subscription = 'subscribed' OR (subscription IN ('unsubscribed', 'bounced') AND random() < :early))
)
INSERT INTO messages (campaign_id, contact_id, address, state, reason, attempts, finished_at, first_tried_at,
    response_code, response, created_at)
SELECT :campaign, id, email, CASE WHEN fate < 0.012 THEN 'failed' WHEN fate < 0.0121 THEN 'unknown'
        WHEN fate < 0.016 THEN 'suppressed' ELSE 'sent' END,
    CASE WHEN fate >= 0.0121 AND fate < 0.016 THEN 'unsubscribed' END, 1, sent_at, sent_at,
    CASE WHEN fate < 0.012 THEN 550 ELSE 250 END,
    CASE WHEN fate < 0.012 THEN '550 5.1.1 No such user here' ELSE '250 2.0.0 Ok' END, CAST(:at AS timestamptz)
FROM drawn
""")
_EVENTS = text("""
WITH drawn AS (
    SELECT id, contact_id, finished_at, random() AS opens, random() AS machine, random() AS clicks, random() AS leaves,
        random() AS wait FROM messages WHERE campaign_id = :campaign AND state = 'sent'
), acts AS (
    SELECT id, contact_id, 'open' AS kind, 'machine' AS actor, 'Apple fetched the pictures before anybody saw them'
        AS reason, finished_at + interval '4 minutes' * wait AS at FROM drawn WHERE machine < 0.21
    UNION ALL
    SELECT id, contact_id, 'open', 'human', NULL, finished_at + interval '30 hours' * wait * wait FROM drawn
    WHERE opens < :opened
    UNION ALL
    SELECT id, contact_id, 'click', 'human', NULL, finished_at + interval '30 hours' * wait * wait + interval '1 minute'
    FROM drawn WHERE opens < :opened AND clicks < :clicked / :opened
    UNION ALL
    SELECT id, contact_id, 'click', 'machine', 'clicked within seconds of the delivery', finished_at + interval '3 s'
    FROM drawn WHERE machine > 0.985
    UNION ALL
    SELECT id, contact_id, 'unsubscribe', 'human', NULL, finished_at + interval '20 hours' * wait FROM drawn
    WHERE leaves < 0.0014
)
INSERT INTO tracking_events (campaign_id, message_id, contact_id, link_id, kind, actor, reason, at)
SELECT :campaign, id, contact_id, CASE WHEN kind = 'click' THEN :link END, kind, actor, reason, at FROM acts
WHERE at < now()
""")
_COUNTS = text("""
SELECT 'sent', count(*) FILTER (WHERE state = 'sent') FROM messages WHERE campaign_id = :campaign
UNION ALL SELECT 'failed', count(*) FILTER (WHERE state = 'failed') FROM messages WHERE campaign_id = :campaign
UNION ALL SELECT 'suppressed', count(*) FILTER (WHERE state = 'suppressed') FROM messages WHERE campaign_id = :campaign
UNION ALL SELECT 'unknown', count(*) FILTER (WHERE state = 'unknown') FROM messages WHERE campaign_id = :campaign
UNION ALL SELECT CASE kind WHEN 'unsubscribe' THEN 'unsubscribed' ELSE kind || 's_' || actor END,
    count(DISTINCT message_id) FROM tracking_events WHERE campaign_id = :campaign GROUP BY kind, actor
""")
# Some of those who clicked bought within days; others came by an advertisement, which only its UTM words tell.
_CONVERSIONS = (
    """
    INSERT INTO conversion_rules (id, sites) VALUES (1, '["https://lumen.example"]') ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO conversions (dedupe_sha256, name, reference, value, currency, origin, attribution, contact_id,
        campaign_id, link_id, at, noted_at)
    SELECT encode(sha256(CAST('demo ' || id AS bytea)), 'hex'), 'purchase', 'L-' || id,
        round(CAST(18 + 60 * random() AS numeric), 2), 'EUR', CASE WHEN random() < 0.7 THEN 'server' ELSE 'site' END,
        'click', contact_id, campaign_id, link_id, least(now(), at + interval '30 hours' * random()), at
    FROM tracking_events WHERE kind = 'click' AND actor = 'human' AND random() < 0.07
    """,
    """
    INSERT INTO conversions (dedupe_sha256, name, reference, value, currency, origin, attribution, utm_source,
        utm_medium, utm_campaign, at, noted_at)
    SELECT encode(sha256(CAST('demo ad ' || n AS bytea)), 'hex'), 'purchase', 'A-' || n,
        round(CAST(15 + 40 * random() AS numeric), 2), 'EUR', 'site', 'utm',
        (ARRAY['search', 'social', 'search'])[1 + n % 3], 'cpc', 'autumn-teas',
        now() - interval '1 year' * random(), now()
    FROM generate_series(1, 900) AS n
    """,
)
_TOUCHED = (
    """
    UPDATE contacts SET opened_at = acts.opened, clicked_at = acts.clicked FROM (
        SELECT contact_id, max(at) FILTER (WHERE kind = 'open') AS opened, max(at) FILTER (WHERE kind = 'click')
            AS clicked FROM tracking_events WHERE actor = 'human' AND kind IN ('open', 'click') GROUP BY contact_id
    ) AS acts WHERE acts.contact_id = contacts.id
    """,
    """
    UPDATE contacts SET subscription = 'unsubscribed' WHERE subscription = 'subscribed'
        AND id IN (SELECT contact_id FROM tracking_events WHERE kind = 'unsubscribe')
    """,
)


def add_year(segments: dict[str, tuple[int, list[str]]], tell: Callable[[str], None]) -> int:
    """Adds the campaigns of a year, sent to segments by name with the sources of their people; commits each.

    Returns how many. `tell` hears of each as it is done.
    """
    brand, now, added = get_mail_brand(), datetime.now(UTC), 0
    for week in range(WEEKS, 0, -1):
        at = (now - timedelta(weeks=week)).replace(hour=9, minute=0, second=0, microsecond=0)
        plans = [("Newsletter readers", NEWSLETTERS[week % len(NEWSLETTERS)], "Newsletter")]
        if week % OFFER_EVERY_WEEKS == 0:
            plans.append(("Customers", OFFERS[week // OFFER_EVERY_WEEKS % len(OFFERS)], "Offer"))
        if week % WHOLESALE_EVERY_WEEKS == 0:
            plans.append(("Wholesale", WHOLESALE[week // WHOLESALE_EVERY_WEEKS % len(WHOLESALE)], "Wholesale"))
        for segment, mailing, kind in plans:
            name = f"{kind}: {mailing.headline} ({at:%b %Y})"
            campaign = add_campaign(
                name=name, made_by="Ada Lovelace", segment_id=segments[segment][0], content=content_of(mailing)
            )
            compiled = render_campaign(campaign.content, brand)
            # Interest fades a little over the year, which gives the forecast something to see.
            _carry_out(campaign, compiled, mailing, at, segments[segment][1], 0.9 + 0.1 * week / WEEKS)
            added += 1
            tell(name)
    for statement in (*_TOUCHED, *_CONVERSIONS):
        db.session.execute(text(statement))
    db.session.commit()
    return added


def content_of(mailing: Mailing) -> dict[str, object]:
    """A campaign's content with the words of a mailing."""
    words = f"utm_source=lux&utm_medium=email&utm_campaign={mailing.path.replace('/', '-')}"
    return {
        "subject": mailing.subject,
        "preheader": mailing.text.split(".")[0] + ".",
        "blocks": [
            {"kind": "heading", "text": mailing.headline, "level": 1},
            {"kind": "text", "text": mailing.text},
            {"kind": "button", "label": mailing.label, "url": f"https://lumen.example/{mailing.path}?{words}"},
            {"kind": "footer", "text": "You get this because you asked us for news about tea."},
        ],
    }


def _carry_out(
    campaign: Campaign,
    compiled: CompiledCampaign,
    mailing: Mailing,
    at: datetime,
    sources: list[str],
    interest: float,
) -> None:
    campaign_id, link_id = campaign.id, None
    for link in compiled.links:
        row = insert(TrackedLink).values(
            campaign_id=campaign_id, position=link.number, url=link.url, label=link.label, is_honeypot=link.is_honeypot
        )
        made = db.session.scalar(row.returning(TrackedLink.id))
        link_id = link_id or (made if not link.is_honeypot else None)
    months = (datetime.now(UTC) - at).days / 30
    people = {"sources": sources, "early": min(0.8, months / 15)}
    times = {"at": at, "spread": timedelta(minutes=MOST_MINUTES)}
    db.session.execute(_MESSAGES, {"campaign": campaign_id, **people, **times})
    shares = {"opened": mailing.opened * interest, "clicked": mailing.clicked * interest}
    db.session.execute(_EVENTS, {"campaign": campaign_id, "link": link_id, **shares})
    counts = {name: int(count) for name, count in db.session.execute(_COUNTS, {"campaign": campaign_id})}
    planned = sum(counts.get(state, 0) for state in ("sent", "failed", "suppressed", "unknown"))
    add_to_tally(campaign_id, {"planned": planned, **{k: v for k, v in counts.items() if not k.endswith("unsure")}})
    done = {"state": "finished", "launched_at": at, "launch_at": at, "created_at": at - timedelta(days=2)}
    ends = {"finished_at": at + timedelta(minutes=MOST_MINUTES), "updated_at": at, "planned_count": planned}
    frozen = {"compiled": {**compiled.to_json(), "seed": "demo"}}
    db.session.execute(update(Campaign).where(Campaign.id == campaign_id).values(**done, **ends, **frozen))
    db.session.commit()
