"""The one way by which a person enters LUX, from anywhere: webhook, CSV import, a form by hand, an agent.

One statement upserts the contact on its canonical address and writes everything that belongs to the arrival: consent,
segments, other addresses, the timeline, and the mark on the inbox row that it came from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from psycopg import Connection, Cursor, RawCursor
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
    consent = "pending" if rules.is_double_opt_in else "subscribed"
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


def add_arrivals(
    cursor: Cursor[Any], arrivals: Sequence[Arrival], intake_ids: Sequence[int] | None = None
) -> list[Outcome | None]:
    """Writes arrivals in the cursor's transaction, in their order; the caller commits.

    With `intake_ids`, one per arrival, each inbox row is locked and marked done in the same statement; None comes back
    for a row that was not waiting any more, and nothing was written for it.
    """
    outcomes: list[Outcome | None] = [None] * len(arrivals)
    waiting = dict(enumerate(arrivals))
    left = list(waiting)
    for _ in range(TRIES * max(1, len(arrivals))):
        if not left:
            break
        # One statement cannot write the same contact twice: who comes twice takes turns.
        turn = list({waiting[index].email: index for index in reversed(left)}.values())
        those = {index: waiting[index] for index in turn}
        done = _write(cursor, those, intake_ids)
        waiting.update(those)
        for index, outcome in done.items():
            outcomes[index] = outcome
        # Whoever is missing was made by another transaction after our snapshot was taken: the next try sees them.
        left = [index for index in left if index not in done]
    return outcomes


def add_arrival(cursor: Cursor[Any], arrival: Arrival) -> Outcome | None:
    """Writes one arrival in the cursor's transaction; the caller commits. Many are cheaper by add_arrivals()."""
    return add_arrivals(cursor, [arrival])[0]


def _write(
    cursor: Cursor[Any], arrivals: dict[int, Arrival], intake_ids: Sequence[int] | None
) -> dict[int, Outcome | None]:
    """One statement; who is missing in the answer takes another turn, with the arrival as it then stands here."""
    rows = [
        {
            "place": index,
            "intake_id": intake_ids[index] if intake_ids is not None else None,
            "address_sha256": address_sha256(arrival.email),
            "email": arrival.email,
            "method": arrival.method,
            "name": arrival.name,
            "phone": arrival.phone,
            "phone_raw": arrival.phone_raw,
            "source": arrival.source,
            "form": arrival.form,
            "attributes": arrival.attributes,
            "others": list(arrival.other_emails),
            "consent": arrival.consent,
            "wording": arrival.wording,
            "actor": arrival.actor,
            "receipt": arrival.receipt,
            "segment_ids": list(arrival.segment_ids),
            "warnings": list(arrival.warnings),
        }
        for index, arrival in arrivals.items()
    ]
    statement = ARRIVE_FROM_INBOX if intake_ids is not None else ARRIVE
    found = RawCursor(cursor.connection).execute(statement, [json.dumps(rows)]).fetchall()
    claimed = {row[0] for row in found}
    done: dict[int, Outcome | None] = {index: None for index in arrivals if index not in claimed}
    for place, row_id, is_new, body, survivor in found:
        if row_id is not None:
            done[place] = Outcome(row_id, is_new, body)
        elif survivor is not None:
            # The address belonged to a contact that was merged: the next try brings it to whoever was kept.
            others = [*arrivals[place].other_emails, arrivals[place].email]
            known = {one for one in others if one != survivor}
            arrivals[place] = replace(arrivals[place], email=survivor, other_emails=sorted(known, key=others.index))
    return done


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
        outcome = add_arrivals(cursor, [replace(arrival, segment_ids=wanted)])[0]
    if outcome is None:
        raise RuntimeError("An arrival without an inbox row is always written.")
    return outcome


# `state || ''` keeps the planner from the index of open rows, which is full of what was open a moment ago.
# The inbox row is on disk already: if the server dies before this commit is, the row is new again and the sweeper
# writes the same contact. So this commit need not wait for the disk (docs/decisions/webhook-inbox.md).
_CLAIM = """
    claim AS MATERIALIZED (
        SELECT id, set_config('synchronous_commit', 'off', true) FROM intake_bodies
        WHERE id = ANY (ARRAY(SELECT (given ->> 'intake_id')::bigint FROM jsonb_array_elements($1::jsonb) AS given))
            AND state || '' = 'new' ORDER BY id FOR UPDATE
    ),"""
_MARK = """,
    marked AS (
        UPDATE intake_bodies SET state = 'done', reason = NULL, detail = NULL, contact_id = answer.id,
            processed_at = now(), answer_status = CASE WHEN answer.is_new THEN 201 ELSE 200 END, answer = answer.body
        FROM answer WHERE intake_bodies.id = answer.intake_id
    )"""

# Read from the top: lock what is there, decide what may change, upsert, then write what follows from it. A contact that
# does not change is not written at all. Each part reads from the one before, so each waits its turn; contacts are
# locked in the order of their addresses, so that two batches never wait for each other.
_ARRIVE = """
WITH {claim}
given AS MATERIALIZED (
    SELECT given.*, (
        SELECT kept.email FROM merged_addresses AS merged JOIN contacts AS kept ON kept.id = merged.contact_id
        WHERE merged.address = given.email
            AND NOT EXISTS (SELECT 1 FROM contacts AS own WHERE own.email = merged.address)
    ) AS survivor
    FROM jsonb_to_recordset($1::jsonb) AS given (
        place int, intake_id bigint, address_sha256 text, email text, method text, name text, phone text,
        phone_raw text, source text, form text, attributes jsonb, others jsonb, consent text, wording text, actor text,
        receipt text, segment_ids bigint[], warnings jsonb) {only_claimed}
),
arrived AS MATERIALIZED (SELECT * FROM given WHERE survivor IS NULL),
prior AS MATERIALIZED (
    SELECT contacts.id, contacts.email, contacts.name, contacts.phone, contacts.source, contacts.segment,
        contacts.subscription
    FROM contacts WHERE email = ANY (ARRAY(SELECT email FROM arrived)) ORDER BY contacts.email FOR UPDATE
),
written AS (
    INSERT INTO contacts AS c (email, name, phone, phone_raw, source, segment, attributes, subscription)
    SELECT email, arrived.name, arrived.phone, phone_raw, arrived.source,
        (SELECT key FROM segments WHERE id = segment_ids[1]), attributes,
        coalesce((
            SELECT CASE WHEN reason LIKE 'complain%' THEN 'complained' WHEN reason LIKE 'bounce%' THEN 'bounced'
                ELSE 'unsubscribed' END
            FROM suppressions WHERE channel = 'email' AND suppressions.address_sha256 = arrived.address_sha256
        ), consent)
    FROM arrived LEFT JOIN prior USING (email) ORDER BY email
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
    SELECT prior.*, false, false FROM prior WHERE NOT EXISTS (SELECT 1 FROM written WHERE written.id = prior.id)
),
known AS MATERIALIZED (
    SELECT contact.id, contact.email, contact.name, contact.phone, contact.source, contact.segment,
        contact.subscription, is_new, is_changed, place, intake_id, address_sha256, method, form, others, consent,
        wording, actor, receipt, segment_ids, warnings,
        prior.subscription AS prior_subscription,
        coalesce(arrived.source, form) AS given_source,
        CASE WHEN arrived.name IS DISTINCT FROM contact.name THEN arrived.name END AS later_name,
        CASE WHEN arrived.source IS DISTINCT FROM contact.source THEN arrived.source END AS later_source,
        CASE WHEN arrived.phone IS NULL THEN phone_raw END AS phone_invalid
    FROM contact JOIN arrived USING (email) LEFT JOIN prior USING (email)
),
joined AS (
    INSERT INTO segment_memberships (segment_id, contact_id, source)
    SELECT segment_id, known.id, given_source FROM known, unnest(segment_ids) AS wanted (segment_id)
    ON CONFLICT DO NOTHING RETURNING segment_id, contact_id
),
effects AS (
    INSERT INTO side_effects (key, contact_id)
    SELECT 'welcome:' || contact_id || ':' || segment_id, contact_id FROM joined ON CONFLICT DO NOTHING
),
others AS (
    INSERT INTO other_addresses (contact_id, address)
    SELECT known.id, address FROM known, jsonb_array_elements_text(others) AS further (address)
    WHERE address <> known.email ON CONFLICT DO NOTHING RETURNING contact_id, address
),
ledger AS (
    INSERT INTO consent_entries (contact_id, address_sha256, state, method, wording, source, actor, receipt)
    SELECT id, address_sha256, subscription, method, wording, given_source, actor, receipt FROM known
    WHERE subscription IN ('pending', 'subscribed') AND (is_new OR (is_changed AND prior_subscription <> subscription))
),
outcome AS MATERIALIZED (
    SELECT known.*,
        ARRAY(SELECT segment_id FROM joined WHERE contact_id = known.id) AS joined_ids,
        (SELECT jsonb_agg(address) FROM others WHERE contact_id = known.id) AS new_addresses,
        CASE WHEN is_new THEN 'created'
            WHEN is_changed OR EXISTS (SELECT 1 FROM joined WHERE contact_id = known.id)
                OR EXISTS (SELECT 1 FROM others WHERE contact_id = known.id) THEN 'updated'
            ELSE 'unchanged' END AS status,
        coalesce((SELECT jsonb_agg(key) FROM segments WHERE id = ANY (segment_ids || ARRAY(
            SELECT segment_id FROM segment_memberships WHERE contact_id = known.id))), '[]') AS segments,
        subscription IN ('unsubscribed', 'bounced', 'complained') AND consent <> 'none' AS is_refused
    FROM known
),
event AS (
    INSERT INTO contact_events (contact_id, kind, source, detail)
    SELECT id, CASE WHEN is_new THEN 'arrived' ELSE 'arrived_again' END, given_source,
        jsonb_strip_nulls(jsonb_build_object(
            'method', method, 'by', actor, 'receipt', receipt, 'form', form, 'later_name', later_name,
            'later_source', later_source, 'phone_invalid', phone_invalid, 'other_addresses', new_addresses,
            'joined', (SELECT jsonb_agg(segments.name) FROM segments WHERE segments.id = ANY (joined_ids)),
            'not_resubscribed', CASE WHEN is_refused THEN subscription END))
    FROM outcome
    WHERE status <> 'unchanged' OR is_refused OR coalesce(later_name, later_source, phone_invalid) IS NOT NULL
),
answer AS MATERIALIZED (
    SELECT email AS arrived_email, id, is_new, intake_id, jsonb_build_object(
        'id', id, 'status', status, 'email', email, 'name', name, 'phone', phone, 'source', source, 'segment', segment,
        'segments', segments, 'subscription', subscription, 'receipt', receipt,
        'warnings', warnings || CASE WHEN is_refused THEN '["not_resubscribed"]'::jsonb ELSE '[]'::jsonb END) AS body
    FROM outcome
){mark}
SELECT given.place, answer.id, answer.is_new, answer.body, given.survivor
FROM given LEFT JOIN answer ON answer.arrived_email = given.email AND given.survivor IS NULL
"""


def _statement(**parts: str) -> str:
    text = _ARRIVE.format(largest=LARGEST_ATTRIBUTES_BYTES, **parts)
    return " ".join(text.split())


ARRIVE = _statement(claim="", only_claimed="", mark="")
ARRIVE_FROM_INBOX = _statement(claim=_CLAIM, only_claimed="JOIN claim ON claim.id = given.intake_id", mark=_MARK)
