"""Receipts are only ever added: the database itself refuses everything else."""

from __future__ import annotations

import psycopg
import pytest
from flask import Flask

from extensions import db
from receipts.ledger import add_receipt, list_receipts
from tests.repair_scene import ADA


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE repair_receipts SET note = 'nothing happened'",
        "UPDATE repair_receipts SET actor = 'nobody'",
        "DELETE FROM repair_receipts",
        "TRUNCATE repair_receipts",
    ],
)
def test_the_database_refuses_to_change_a_receipt(app: Flask, database_url: str, statement: str) -> None:
    add_receipt("action", ADA, note="It was done.")
    db.session.commit()
    with (
        psycopg.connect(database_url, autocommit=True) as connection,
        pytest.raises(psycopg.errors.RestrictViolation, match="append-only"),
    ):
        connection.execute(statement.encode())
    assert [receipt.note for receipt in list_receipts()] == ["It was done."]


def test_a_receipt_of_no_known_kind_is_refused(app: Flask) -> None:
    with pytest.raises(ValueError, match="no kind"):
        add_receipt("whatever", ADA)


def test_receipts_are_paged_newest_first(app: Flask) -> None:
    for number in range(5):
        add_receipt("action", ADA, note=str(number))
    db.session.commit()
    first = list_receipts(limit=3)
    assert [receipt.note for receipt in first] == ["4", "3", "2", "1"]
    assert [receipt.note for receipt in list_receipts(before_id=first[2].id, limit=3)] == ["1", "0"]
