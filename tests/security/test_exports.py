"""No cell of any file that LUX gives out begins like a formula (Mautic CVE-2018-8092)."""

from __future__ import annotations

import csv
import io

from audience.imports import ImportOptions, add_import, check_import
from extensions import db
from lib.csv_rows import FORMULA_STARTS
from models import User
from tests import makers
from tests.security.house import House

# Every address that answers with a table. A new one fails the test below until it is named here.
EXPORTS = {"audit.export", "contacts.export", "contact.export_one", "contact_imports.refused"}


def plant(house: House) -> None:
    """Formulas wherever a person or a program can write a word."""
    with house.app.app_context():
        cells = [f"{start}cmd|' /C calc'!A0" for start in FORMULA_STARTS]
        for cell in cells:
            makers.make_contact(name=cell, source=cell, tags=cell, attributes={cell: cell})
        lines = ["email,name", *(f'"not {cell}","{cell}"' for cell in cells), *(f'"{cell}",x' for cell in cells)]
        made = add_import("formulas.csv", "\n".join(lines).encode(), actor="=1+1", user_id=None)
        check_import(made.id, ImportOptions(columns={0: "email", 1: "name"}))
        house.scene.values["import_id"] = made.id
        house.scene.values["contact_id"] = makers.make_contact(name=cells[0], attributes={"x": cells[3]}).id
        for user in db.session.query(User):
            user.name = f"=HYPERLINK({user.name})"
        db.session.commit()
        db.session.remove()
    house.ask("owner", "POST", "/settings/name", data={"name": "=cmd|' /C calc'!A0"})
    house.ask("nobody", "POST", "/sign-in", data={"email": "=1+1@example.com", "password": "=1+1"})


def test_no_cell_of_any_export_is_a_formula(house: House) -> None:
    plant(house)
    found: set[str] = set()
    for rule in house.app.url_map.iter_rules():
        for method in ("GET", "POST"):
            if method not in (rule.methods or set()):
                continue
            answer = house.ask("owner", method, house.address_of(rule), data={} if method == "POST" else None)
            # Whoever signs out here is back for the next address.
            house.contents.restore(house.contents.changed() & {"user_sessions"})
            if answer.mimetype not in ("text/csv", "text/tab-separated-values"):
                continue
            found.add(rule.endpoint)
            rows = list(csv.reader(io.StringIO(answer.get_data(as_text=True).lstrip("\ufeff"), newline="")))
            assert len(rows) > 1, rule.rule
            guilty = [cell for row in rows for cell in row if cell.lstrip("\ufeff ").startswith(FORMULA_STARTS)]
            assert guilty == [], rule.rule
            assert "attachment" in answer.headers["Content-Disposition"], rule.rule
            assert "'=" in answer.get_data(as_text=True), f"{rule.rule}: nothing planted came out, so nothing is shown"
    assert found == EXPORTS, "name each address that gives a table out in EXPORTS"
