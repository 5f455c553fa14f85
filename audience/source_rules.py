"""Which source or form puts an arriving person into which segments: a small table, kept in memory for seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Cursor

from lib.clean_text import folded, key_letters

# A source that says somebody left must never read as agreement.
REFUSAL_PARTS = ("unsubscri", "opt-out", "opt out", "optout", "abmeld", "désinscri", "desinscri")
SEEDED_SEGMENT = ("newsletter", "Newsletter")
SEEDED_VALUES = ("newsletter", "news letter", "news-letter")
SEEDED_UNLESS = ("unsubscri", "opt-out", "opt out", "optout")

_LOAD = """
    SELECT coalesce((SELECT jsonb_agg(jsonb_build_object(
               'field', field, 'comparison', comparison, 'value', value, 'unless', unless, 'segment_id', segment_id
           ) ORDER BY source_rules.position, source_rules.id)
           FROM source_rules JOIN segments ON segments.id = segment_id AND archived_at IS NULL), '[]'),
           coalesce((SELECT jsonb_object_agg(key, field) FROM intake_mappings), '{}'),
           EXISTS (SELECT 1 FROM segments WHERE key = %(seeded)s),
           EXISTS (SELECT 1 FROM sending_rules WHERE is_double_opt_in)
"""
_SEED = """
    WITH segment AS (
        INSERT INTO segments (key, name, description, made_by)
        VALUES (%(key)s, %(name)s, 'Everybody whose source names the newsletter.', 'LUX')
        ON CONFLICT (key) DO NOTHING RETURNING id
    )
    INSERT INTO source_rules (field, comparison, value, unless, segment_id, position)
    SELECT 'source', 'contains', value, %(unless)s::jsonb, segment.id, position
    FROM segment, unnest(%(values)s::text[]) WITH ORDINALITY AS seeded (value, position)
"""


@dataclass(frozen=True)
class Rule:
    """One line of the table, folded for comparison."""

    field: str
    comparison: str
    value: str
    unless: tuple[str, ...]
    segment_id: int

    def fits(self, texts: Mapping[str, str]) -> bool:
        """Whether a folded source or form matches."""
        text = texts.get(self.field, "")
        if not text or not self.value or any(part in text for part in self.unless):
            return False
        if self.comparison == "equals":
            return text == self.value
        return text.startswith(self.value) if self.comparison == "prefix" else self.value in text


@dataclass(frozen=True)
class IntakeRules:
    """What decides how an arrival is read: segments by source, the owner's field mappings, who must confirm."""

    rules: tuple[Rule, ...]
    mappings: Mapping[str, str]
    is_double_opt_in: bool = False


def load_rules(cursor: Cursor[Any]) -> IntakeRules:
    """The rules as they are now; seeds the newsletter's when its segment was never there."""
    rules, mappings, is_seeded, is_double_opt_in = _loaded(cursor)
    if not is_seeded:
        cursor.execute(
            _SEED,
            {
                "key": SEEDED_SEGMENT[0],
                "name": SEEDED_SEGMENT[1],
                "unless": json.dumps(SEEDED_UNLESS),
                "values": list(SEEDED_VALUES),
            },
        )
        rules, mappings, _, _ = _loaded(cursor)
    return IntakeRules(
        tuple(
            Rule(
                row["field"],
                row["comparison"],
                folded(row["value"]),
                tuple(folded(str(part)) for part in row["unless"]),
                row["segment_id"],
            )
            for row in rules
        ),
        {key_letters(key): field for key, field in mappings.items()},
        is_double_opt_in,
    )


def list_segment_ids(rules: Sequence[Rule], *, source: str | None, form: str | None) -> list[int]:
    """The segments that a source or form leads to, in the table's order."""
    texts = {"source": folded(source or ""), "form": folded(form or "")}
    return list(dict.fromkeys(rule.segment_id for rule in rules if rule.fits(texts)))


def is_refusal(*texts: str | None) -> bool:
    """Whether a source or form says that somebody leaves."""
    return any(part in text for text in map(folded, filter(None, texts)) for part in REFUSAL_PARTS)


def _loaded(cursor: Cursor[Any]) -> tuple[list[dict[str, Any]], dict[str, str], bool, bool]:
    row = cursor.execute(_LOAD, {"seeded": SEEDED_SEGMENT[0]}).fetchone()
    return row if row is not None else ([], {}, True, False)
