"""The people of the demo: contacts over three years with their consent and the first line of their timeline."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from demo.business import AREAS, CITIES, COMPANIES, DOMAINS, FIRST_NAMES, LAST_NAMES, SOURCES, TEAS
from extensions import db

# More people came lately than long ago, which the square root makes; who came first knows LUX longest and left more.
_CONTACTS = """
WITH drawn AS (
    SELECT number, random() AS luck, random() AS fate, random() AS taste,
        now() - make_interval(days => 1095) * (1 - sqrt(number::float8 / :count)) AS came_at,
        (CAST(:first AS text[]))[1 + (random() * :firsts)::int % :firsts] AS first_name,
        (CAST(:last AS text[]))[1 + (random() * :lasts)::int % :lasts] AS last_name
    FROM generate_series(1, :count) AS number
), sourced AS (
    SELECT drawn.*, (SELECT name FROM unnest(CAST(:sources AS text[]), CAST(:shares AS float8[])) AS s (name, share)
        WHERE luck <= share ORDER BY share LIMIT 1) AS source
    FROM drawn
)
INSERT INTO contacts (email, name, phone, source, attributes, subscription, created_at, updated_at)
SELECT lower(translate(first_name || '.' || last_name, 'ëáò', 'eao')) || number || '@'
        || (CAST(:domains AS text[]))[1 + number % :domain_count],
    first_name || ' ' || last_name,
    CASE WHEN source = 'Wholesale enquiry' OR (source = 'Shop checkout' AND taste < 0.3)
        THEN '+1' || (CAST(:areas AS text[]))[1 + number / 10000 % :area_count] || '555'
            || lpad((number % 10000)::text, 4, '0') END,
    source,
    jsonb_strip_nulls(jsonb_build_object(
        'city', (CAST(:cities AS text[]))[1 + (taste * 1000)::int % :city_count],
        'favourite', (CAST(:teas AS text[]))[1 + (fate * 1000)::int % :tea_count],
        'company', CASE WHEN source = 'Wholesale enquiry'
            THEN (CAST(:companies AS text[]))[1 + (taste * 1000)::int % :company_count] || ' '
                || (CAST(:last AS text[]))[1 + (fate * 1000)::int % :lasts] END,
        'orders', CASE WHEN source IN ('Shop checkout', 'Wholesale enquiry') THEN (1 + taste * taste * 12)::int END,
        'last_order', CASE WHEN source IN ('Shop checkout', 'Wholesale enquiry')
            THEN to_char(came_at + (now() - came_at) * fate, 'YYYY-MM-DD') END,
        'tags', CASE WHEN taste > 0.97 THEN '["vip"]'::jsonb WHEN fate > 0.9 THEN '["tea lover"]'::jsonb END)),
    CASE WHEN fate < 0.80 THEN 'subscribed' WHEN fate < 0.87 THEN 'none' WHEN fate < 0.965 THEN 'unsubscribed'
        WHEN fate < 0.99 THEN 'bounced' WHEN fate < 0.992 THEN 'complained'
        WHEN came_at > now() - interval '14 days' THEN 'pending' ELSE 'none' END,
    came_at, came_at
FROM sourced
ON CONFLICT DO NOTHING
"""
_FOLLOWING = (
    """
    INSERT INTO consent_entries (contact_id, address_sha256, state, method, wording, source, actor, at)
    SELECT id, address_sha256, 'subscribed', 'webhook', 'Yes, write to me about tea.', source, 'Zapier', created_at
    FROM contacts WHERE subscription NOT IN ('none', 'pending')
    """,
    """
    INSERT INTO contact_events (contact_id, kind, source, detail, at)
    SELECT id, 'arrived', source, '{"method": "webhook", "by": "Zapier"}', created_at FROM contacts
    """,
    """
    INSERT INTO suppressions (channel, address_sha256, address, reason, at)
    SELECT 'email', address_sha256, email, subscription, created_at + (now() - created_at) / 2 FROM contacts
    WHERE subscription IN ('bounced', 'complained') ON CONFLICT DO NOTHING
    """,
)


def add_people(count: int) -> None:
    """Adds so many contacts; commits. Their addresses are of example domains, which take no mail (RFC 2606)."""
    values: dict[str, Any] = {
        "count": count,
        "first": list(FIRST_NAMES),
        "firsts": len(FIRST_NAMES),
        "last": list(LAST_NAMES),
        "lasts": len(LAST_NAMES),
        "sources": [name for name, _ in SOURCES],
        "shares": [share for _, share in SOURCES],
        "domains": list(DOMAINS),
        "domain_count": len(DOMAINS),
        "cities": list(CITIES),
        "city_count": len(CITIES),
        "teas": list(TEAS),
        "tea_count": len(TEAS),
        "companies": list(COMPANIES),
        "company_count": len(COMPANIES),
        "areas": list(AREAS),
        "area_count": len(AREAS),
    }
    db.session.execute(text("SELECT setseed(0.2026)"))
    db.session.execute(text(_CONTACTS), values)
    for statement in _FOLLOWING:
        db.session.execute(text(statement))
    db.session.commit()
