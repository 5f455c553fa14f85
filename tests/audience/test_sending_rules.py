"""The two rules of sending: who must confirm, and the hours without campaigns."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest
from flask import Flask
from sqlalchemy import select

from audience.sending_rules import (
    QuietHours,
    change_sending_rules,
    find_end_of_quiet,
    find_quiet_hours,
    is_double_opt_in,
)
from errors import InputInvalid
from extensions import db
from models import AuditEntry
from tests import makers


def test_without_a_word_nobody_confirms_and_no_hour_is_quiet(app: Flask) -> None:
    assert (is_double_opt_in(), find_quiet_hours(), find_end_of_quiet()) == (False, None, None)


def test_both_rules_are_kept_and_stand_in_the_audit_trail(app: Flask) -> None:
    ada = makers.make_user(role="operator")
    change_sending_rules(is_double_opt_in=True, quiet_from="21:00", quiet_until="08:30", by=ada)
    assert is_double_opt_in()
    assert find_quiet_hours() == QuietHours(time(21), time(8, 30))
    assert find_end_of_quiet(datetime(2026, 11, 23, 22, tzinfo=UTC)) == datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
    assert find_end_of_quiet(datetime(2026, 11, 23, 9, tzinfo=UTC)) is None
    entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None and entry.action == "sending_rules_changed"
    change_sending_rules(is_double_opt_in=False, quiet_from="", quiet_until="", by=ada)
    assert (is_double_opt_in(), find_quiet_hours()) == (False, None)


@pytest.mark.parametrize(
    ("begin", "end", "field"),
    [("21:00", "", "quiet_until"), ("", "08:00", "quiet_from"), ("late", "08:00", "quiet_from"),
     ("25:00", "08:00", "quiet_from"), ("08:00", "08:00", "quiet_until")],
)  # fmt: skip
def test_what_is_no_span_of_hours_is_refused_beside_its_field(app: Flask, begin: str, end: str, field: str) -> None:
    ada = makers.make_user(role="operator")
    with pytest.raises(InputInvalid) as refused:
        change_sending_rules(is_double_opt_in=True, quiet_from=begin, quiet_until=end, by=ada)
    assert list(refused.value.fields) == [field]
    assert not is_double_opt_in()
