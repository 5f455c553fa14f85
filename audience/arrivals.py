"""The one way by which a person enters LUX, from anywhere: webhook, CSV import, a form by hand, an agent.

One statement upserts the contact on its canonical address and writes everything that belongs to the arrival: consent,
segments, other addresses, the timeline, and the mark on the inbox row that it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from psycopg import Connection, Cursor
from psycopg.types.json import Jsonb
from sqlalchemy.orm import Session

from audience.consent import address_sha256
from audience.source_rules import IntakeRules, is_refusal, list_segment_ids, load_rules
from lib.clean_text import key_letters
from lib.person_finder import Person

CONSENT_KEYS = frozenset(
    """consent marketingconsent emailconsent gdprconsent optin marketingoptin emailoptin subscribe subscribed newsletter
    newsletteroptin acceptsmarketing acceptsemail emailpermission""".split()  # noqa: SIM905 - a list of words reads better
)
NO_WORDS = frozenset({"no", "false", "0", "off", "nein", "non", "nope", "unchecked", "n"})
# A contact's attributes stop growing here; what they have can still change.
LARGEST_ATTRIBUTES_BYTES = 64_000
TRIES = 3


@dataclass(frozen=True)
class Arrival:
    """A person on the way in. `consent` is what this arrival may create: subscribed, pending or none.

    `method` says how they came (webhook, import, form, agent), `actor` who brought them, `receipt` the proof.
    """

    email: str
    method: str
    name: str | None = None
    phone: str | None = None
    phone_raw: str | None = None
    source: str | None = None
    form: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    other_emails: Sequence[str] = ()
    consent: str = "subscribed"
    wording: str | None = None
    actor: str | None = None
    receipt: str | None = None
    segment_ids: Sequence[int] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Outcome:
    """What an arrival became. `answer` is the object that programs get, `is_new` whether the contact was made now."""

    contact_id: int
    is_new: bool
    answer: dict[str, Any]

    @property
    def status(self) -> str:
        """created, updated or unchanged."""
        return str(self.answer["status"])

    @property
    def warnings(self) -> list[str]:
        return list(self.answer["warnings"])


def arrival_of(
    person: Person,
    rules: IntakeRules,
    *,
    method: str,
    actor: str | None,
    receipt: str | None,
    warnings: Sequence[str] = (),
) -> Arrival:
    """The arrival that a found person makes; `person.email` must be there."""
    warnings = [*person.warnings, *warnings]
    consent = "subscribed"
    if is_refusal(person.source, person.form) or has_refused(person.attributes):
        consent = "none"
        warnings.append("no_consent")
    return Arrival(
        email=person.email or "",
        method=method,
        name=person.name,
        phone=person.phone,
        phone_raw=person.phone_raw,
        source=person.source,
        form=person.form,
        attributes=person.attributes,
        other_emails=[address for address in person.other_emails if address != person.email],
        consent=consent,
        wording=person.form if person.form != person.source else None,
        actor=actor,
        receipt=receipt,
        segment_ids=list_segment_ids(rules.rules, source=person.source, form=person.form),
        warnings=warnings,
    )


def has_refused(attributes: dict[str, Any]) -> bool:
    """Whether an attribute such as `opt_in: no` says that the person did not agree."""
    return any(
        key_letters(key.rpartition(".")[2]) in CONSENT_KEYS and str(value).strip().lower() in NO_WORDS
        for key, value in attributes.items()
    )


def add_arrival(cursor: Cursor[Any], arrival: Arrival, *, intake_id: int | None = None) -> Outcome | None:
    """Writes an arrival in the cursor's transaction; the caller commits.

    With `intake_id` the inbox row is locked and marked done in the same statement; None comes back when the row is not
    waiting any more, and nothing was written.
    """
    values = {
        "intake_id": intake_id,
        "email": arrival.email,
        "address_sha256": address_sha256(arrival.email),
        "name": arrival.name,
        "phone": arrival.phone,
        "phone_raw": arrival.phone_raw,
        "source": arrival.source,
        "form": arrival.form,
        "attributes": Jsonb(arrival.attributes),
        "others": list(arrival.other_emails),
        "consent": arrival.consent,
        "method": arrival.method,
        "wording": arrival.wording,
        "actor": arrival.actor,
        "receipt": arrival.receipt,
        "segment_ids": list(arrival.segment_ids),
        "warnings": Jsonb(list(arrival.warnings)),
    }
    statement = ARRIVE_FROM_INBOX if intake_id is not None else ARRIVE
    for _ in range(TRIES):
        row = cursor.execute(statement, values).fetchone()
        if row is None or row[0] is None:
            return None
        is_mine, contact_id, is_new, answer = row
        if not is_mine:
            return None
        if contact_id is not None:
            return Outcome(contact_id, is_new, answer)
        # Another transaction made the same contact after our snapshot was taken: the next try sees it.
    return None


def add_contact_arrival(session: Session, arrival: Arrival) -> Outcome:
    """The same within a SQLAlchemy session's transaction, for pages, imports and agents; the caller commits.

    Rules for sources apply on top of the arrival's own segments. Objects of the session that were loaded before keep
    their old values until they are refreshed.
    """
    session.flush()
    connection = cast(Connection[Any], session.connection().connection.dbapi_connection)
    with connection.cursor() as cursor:
        by_source = list_segment_ids(load_rules(cursor).rules, source=arrival.source, form=arrival.form)
        wanted = [*arrival.segment_ids, *(one for one in by_source if one not in arrival.segment_ids)]
        outcome = add_arrival(cursor, Arrival(**{**vars(arrival), "segment_ids": wanted}))
    if outcome is None:
        raise RuntimeError("An arrival without an inbox row is always written.")
    return outcome


_CLAIM = "SELECT id FROM intake_bodies WHERE id = %(intake_id)s::bigint AND state = 'new' FOR UPDATE"
_NO_CLAIM = "SELECT %(intake_id)s::bigint AS id"

# Read from the top: lock what is there, decide what may change, upsert, then write what follows from it. A contact that
# does not change is not written at all. Every part takes its turn because each reads from the one before.
_ARRIVE = """
WITH claim AS MATERIALIZED ({claim}),
prior AS MATERIALIZED (
    SELECT contacts.* FROM claim CROSS JOIN contacts WHERE email = %(email)s::text FOR UPDATE OF contacts
),
given AS MATERIALIZED (
    SELECT claim.id AS intake_id, prior.id AS prior_id,
        CASE (SELECT reason FROM suppressions WHERE channel = 'email' AND address_sha256 = %(address_sha256)s::text)
            WHEN 'complained' THEN 'complained' WHEN 'complaint' THEN 'complained'
            WHEN 'bounced' THEN 'bounced' WHEN 'bounce' THEN 'bounced'
            ELSE CASE WHEN EXISTS (SELECT 1 FROM suppressions WHERE channel = 'email'
                                   AND address_sha256 = %(address_sha256)s::text)
                THEN 'unsubscribed' ELSE %(consent)s::text END
        END AS subscription
    FROM claim LEFT JOIN prior ON true
),
written AS (
    INSERT INTO contacts AS c (email, name, phone, phone_raw, source, segment, attributes, subscription)
    SELECT %(email)s::text, %(name)s::text, %(phone)s::text, %(phone_raw)s::text, %(source)s::text,
        (SELECT key FROM segments WHERE id = (%(segment_ids)s::bigint[])[1]), %(attributes)s::jsonb, given.subscription
    FROM given
    ON CONFLICT (email) DO UPDATE SET
        name = coalesce(c.name, excluded.name),
        phone = coalesce(excluded.phone, c.phone),
        phone_raw = CASE WHEN excluded.phone IS NOT NULL OR c.phone IS NULL
            THEN coalesce(excluded.phone_raw, c.phone_raw) ELSE c.phone_raw END,
        source = coalesce(c.source, excluded.source),
        segment = coalesce(c.segment, excluded.segment),
        attributes = CASE WHEN pg_column_size(c.attributes) < {largest} THEN c.attributes || excluded.attributes
            ELSE c.attributes END,
        subscription = CASE
            WHEN c.subscription = 'none' AND excluded.subscription IN ('pending', 'subscribed')
                OR c.subscription = 'pending' AND excluded.subscription = 'subscribed' THEN excluded.subscription
            ELSE c.subscription END,
        updated_at = now()
    WHERE (c.name IS NULL AND excluded.name IS NOT NULL)
        OR (excluded.phone IS NOT NULL AND c.phone IS DISTINCT FROM excluded.phone)
        OR (c.phone IS NULL AND excluded.phone_raw IS NOT NULL AND c.phone_raw IS DISTINCT FROM excluded.phone_raw)
        OR (c.source IS NULL AND excluded.source IS NOT NULL)
        OR (c.segment IS NULL AND excluded.segment IS NOT NULL)
        OR (NOT c.attributes @> excluded.attributes AND pg_column_size(c.attributes) < {largest})
        OR (c.subscription = 'none' AND excluded.subscription IN ('pending', 'subscribed'))
        OR (c.subscription = 'pending' AND excluded.subscription = 'subscribed')
    RETURNING id, email, name, phone, source, segment, subscription, xmax = 0 AS is_new
),
contact AS MATERIALIZED (
    SELECT written.*, NOT is_new AS is_changed FROM written
    UNION ALL
    SELECT id, email, name, phone, source, segment, subscription, false, false
    FROM prior WHERE NOT EXISTS (SELECT 1 FROM written)
),
joined AS (
    INSERT INTO segment_memberships (segment_id, contact_id, source)
    SELECT segment_id, contact.id, coalesce(%(source)s::text, %(form)s::text)
    FROM contact, unnest(%(segment_ids)s::bigint[]) AS wanted (segment_id)
    ON CONFLICT DO NOTHING RETURNING segment_id
),
effects AS (
    INSERT INTO side_effects (key, contact_id)
    SELECT 'welcome:' || contact.id || ':' || joined.segment_id, contact.id FROM contact, joined
    ON CONFLICT DO NOTHING
),
others AS (
    INSERT INTO other_addresses (contact_id, address)
    SELECT contact.id, address FROM contact, unnest(%(others)s::text[]) AS further (address)
    WHERE address <> contact.email ON CONFLICT DO NOTHING RETURNING address
),
ledger AS (
    INSERT INTO consent_entries (contact_id, address_sha256, state, method, wording, source, actor, receipt)
    SELECT contact.id, %(address_sha256)s::text, contact.subscription, %(method)s::text, %(wording)s::text,
        coalesce(%(source)s::text, %(form)s::text), %(actor)s::text, %(receipt)s::text
    FROM contact LEFT JOIN prior ON true
    WHERE contact.subscription IN ('pending', 'subscribed')
        AND (contact.is_new OR (contact.is_changed AND prior.subscription <> contact.subscription))
),
outcome AS MATERIALIZED (
    SELECT contact.*,
        CASE WHEN is_new THEN 'created'
            WHEN is_changed OR EXISTS (SELECT 1 FROM joined) OR EXISTS (SELECT 1 FROM others) THEN 'updated'
            ELSE 'unchanged' END AS status,
        CASE WHEN name IS DISTINCT FROM %(name)s::text THEN %(name)s::text END AS later_name,
        CASE WHEN source IS DISTINCT FROM %(source)s::text THEN %(source)s::text END AS later_source,
        (SELECT coalesce(jsonb_agg(key ORDER BY id), '[]') FROM segments WHERE id IN (
            SELECT segment_id FROM segment_memberships WHERE contact_id = contact.id
            UNION SELECT segment_id FROM joined)) AS segments,
        %(warnings)s::jsonb || CASE
            WHEN subscription IN ('unsubscribed', 'bounced', 'complained') AND %(consent)s::text <> 'none'
            THEN '["not_resubscribed"]'::jsonb ELSE '[]'::jsonb END AS warnings
    FROM contact
),
event AS (
    INSERT INTO contact_events (contact_id, kind, source, detail)
    SELECT outcome.id, CASE WHEN status = 'created' THEN 'arrived' ELSE 'arrived_again' END,
        coalesce(%(source)s::text, %(form)s::text),
        jsonb_strip_nulls(jsonb_build_object(
            'method', %(method)s::text, 'by', %(actor)s::text, 'receipt', %(receipt)s::text, 'form', %(form)s::text,
            'later_name', later_name, 'later_source', later_source,
            'phone_invalid', CASE WHEN %(phone)s::text IS NULL THEN %(phone_raw)s::text END,
            'joined', (SELECT jsonb_agg(segments.name ORDER BY segments.id) FROM joined
                       JOIN segments ON segments.id = joined.segment_id),
            'other_addresses', (SELECT jsonb_agg(address) FROM others),
            'not_resubscribed', CASE WHEN warnings ? 'not_resubscribed' THEN subscription END))
    FROM outcome
    WHERE status <> 'unchanged' OR later_name IS NOT NULL OR later_source IS NOT NULL OR warnings ? 'not_resubscribed'
        OR (%(phone)s::text IS NULL AND %(phone_raw)s::text IS NOT NULL)
),
answer AS MATERIALIZED (
    SELECT id, is_new, jsonb_build_object(
        'id', id, 'status', status, 'email', email, 'name', name, 'phone', phone, 'source', source, 'segment', segment,
        'segments', segments, 'subscription', subscription, 'warnings', warnings, 'receipt', %(receipt)s::text) AS body
    FROM outcome
){mark}
SELECT EXISTS (SELECT 1 FROM claim), answer.id, answer.is_new, answer.body
FROM (SELECT 1) AS one LEFT JOIN answer ON true
"""
_MARK = """,
marked AS (
    UPDATE intake_bodies SET state = 'done', reason = NULL, detail = NULL, contact_id = answer.id, processed_at = now(),
        answer_status = CASE WHEN answer.is_new THEN 201 ELSE 200 END, answer = answer.body
    FROM answer, claim WHERE intake_bodies.id = claim.id
)"""

ARRIVE = _ARRIVE.format(claim=_NO_CLAIM, mark="", largest=LARGEST_ATTRIBUTES_BYTES)
ARRIVE_FROM_INBOX = _ARRIVE.format(claim=_CLAIM, mark=_MARK, largest=LARGEST_ATTRIBUTES_BYTES)
