"""No cell of any file that LUX gives out begins like a formula (Mautic CVE-2018-8092)."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from typing import Any

import pytest

from audience.imports import ImportOptions, add_import, check_import
from errors import InputInvalid
from extensions import db
from lib.csv_rows import FORMULA_STARTS
from models import Campaign, User
from planning.ad_plans import AdFacts, PlanFacts, add_ad, add_plan
from tests import makers
from tests.security.house import House

# Every address that answers with a table. A new one fails the test below until it is named here.
EXPORTS = {
    "audit.export", "contacts.export", "contact.export_one", "contact_imports.refused", "analytics.table",
    "ad_plans.download",
}  # fmt: skip
# What other programs read letter by letter: a formula is refused there, not disarmed.
REFUSING = {"ad_plans.download"}


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
        for campaign in db.session.query(Campaign):
            campaign.name = "=1+1"
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
            house.contents.restore(house.contents.changed_among(("user_sessions",)))
            if answer.mimetype not in ("text/csv", "text/tab-separated-values"):
                continue
            found.add(rule.endpoint)
            rows = list(csv.reader(io.StringIO(answer.get_data(as_text=True).lstrip("\ufeff"), newline="")))
            assert len(rows) > 1, rule.rule
            guilty = [cell for row in rows for cell in row if cell.lstrip("\ufeff ").startswith(FORMULA_STARTS)]
            assert guilty == [], rule.rule
            assert "attachment" in answer.headers["Content-Disposition"], rule.rule
            if rule.endpoint in REFUSING:
                continue
            assert "'=" in answer.get_data(as_text=True), f"{rule.rule}: nothing planted came out, so nothing is shown"
    assert found == EXPORTS, "name each address that gives a table out in EXPORTS"


def test_an_ad_with_a_formula_in_it_goes_into_no_file(house: House) -> None:
    formula, texts = "=HYPERLINK(A1)", ["Tea from one garden"]
    with house.app.app_context():
        facts = PlanFacts("Tea", "sales", "", "https://tea.example", "EUR", "900")
        with pytest.raises(InputInvalid):
            add_plan(replace(facts, name=formula), made_by="Ada")
        plan_id = add_plan(facts, made_by="Ada").id
        wrongs: list[dict[str, Any]] = [{"name": formula}, {"headlines": [formula]}, {"descriptions": [formula]}]
        for wrong in wrongs:
            with pytest.raises(InputInvalid):
                add_ad(plan_id, replace(AdFacts("linkedin_single", "Tea", texts, texts), **wrong))
        # The words of a picture are its own, and they go out with the ad.
        picture_id = makers.make_asset(alt=formula, colour="#2fbf8f").id
        add_ad(plan_id, AdFacts("linkedin_single", "Tea", texts, texts, asset_id=picture_id))
        db.session.remove()
    answer = house.ask("owner", "GET", f"/campaigns/ad-plans/{plan_id}/files/linkedin")
    assert answer.status_code == 422
    assert "is a formula to spreadsheets" in answer.get_data(as_text=True)


def test_an_audience_leaves_as_hashes_and_only_when_somebody_says_that_they_agreed(house: House) -> None:
    values = house.scene.values
    address = f"/campaigns/ad-plans/{values['plan_id']}/audiences/{values['audience_id']}/export"
    assert house.ask("viewer", "POST", address, data={"agreed": "1"}).status_code == 403
    assert house.ask("owner", "POST", address).status_code == 422
    answer = house.ask("owner", "POST", address, data={"agreed": "1"})
    heading, *hashes = answer.get_data(as_text=True).splitlines()
    assert (answer.mimetype, heading) == ("text/csv", "Email")
    assert hashes and all(re.fullmatch(r"[0-9a-f]{64}", one) for one in hashes)
    told = house.contents.connection.execute("SELECT detail FROM audit_entries ORDER BY id DESC LIMIT 1").fetchone()
    assert told is not None and "hashed addresses" in told[0]["what"]
