"""The files that networks import: their columns, what is in them, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json

import pytest
from flask import Flask

from creative.assets import asset_url
from errors import InputInvalid
from lib.csv_rows import FORMULA_STARTS
from models import AdPlan
from planning.ad_files import FILES, list_files, write_file
from planning.ad_plans import AdFacts, add_ad
from tests.makers import make_asset
from tests.planning.test_ad_plans import SEARCH, make_plan


def read_back(text: str) -> list[dict[str, str]]:
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def make_whole_plan() -> AdPlan:
    plan, asset = make_plan(), make_asset()
    add_ad(plan.id, SEARCH)
    add_ad(plan.id, AdFacts("microsoft_search", "Tea, “M”", SEARCH.headlines, SEARCH.descriptions))
    add_ad(plan.id, AdFacts("meta_feed", "Feed", ["Tea", "Cup"], ['A, "quoted" one.', "Two.", "Three."], "", asset.id))
    add_ad(plan.id, AdFacts("linkedin_single", "Work", ["Tea at work"], ["Calm."], "https://tea.example/w", asset.id))
    return plan


def test_google_ads_editor_gets_a_campaign_an_ad_group_and_a_responsive_ad_all_paused(app: Flask) -> None:
    campaign, group, ad = read_back(write_file(make_whole_plan(), "google"))
    assert (campaign["Campaign"], campaign["Campaign type"], campaign["Campaign status"]) == (
        "Spring tea",
        "Search",
        "Paused",
    )
    assert (campaign["Budget"], campaign["Start date"], campaign["End date"]) == ("80.66", "2026-05-01", "2026-05-31")
    assert (group["Ad group"], group["Ad type"]) == ("Tea", "")
    assert (ad["Ad type"], ad["Status"]) == ("Responsive search ad", "Paused")
    assert [ad[f"Headline {at}"] for at in range(1, 5)] == [*SEARCH.headlines, ""]
    assert ad["Final URL"].endswith("utm_source=google&utm_medium=cpc&utm_campaign=spring-tea")


def test_microsoft_gets_its_bulk_records_with_texts_as_json(app: Flask) -> None:
    version, ad = read_back(write_file(make_whole_plan(), "microsoft"))
    assert (version["Type"], version["Name"]) == ("Format Version", "6.0")
    assert (ad["Type"], ad["Status"], ad["Ad Group"]) == ("Responsive Search Ad", "Paused", "Tea, “M”")
    assert json.loads(ad["Headline"]) == [{"text": one} for one in SEARCH.headlines]


def test_meta_gets_an_ad_for_each_text_with_the_address_of_its_picture(app: Flask) -> None:
    plan = make_whole_plan()
    rows = read_back(write_file(plan, "meta"))
    assert [(one["Ad Name"], one["Title"], one["Body"]) for one in rows] == [
        ("Feed 1", "Tea", 'A, "quoted" one.'),
        ("Feed 2", "Cup", "Two."),
        ("Feed 3", "Tea", "Three."),
    ]
    assert {one["Ad Status"] for one in rows} == {"PAUSED"}
    picture = plan.ads[2].asset
    assert picture is not None and rows[0]["Image URL"] == asset_url(picture)


def test_linkedin_gets_a_sheet_of_its_forms_fields(app: Flask) -> None:
    (row,) = read_back(write_file(make_whole_plan(), "linkedin"))
    assert (row["Introductory text"], row["Headline"], row["Alt text"]) == (
        "Calm.",
        "Tea at work",
        "A white cup of green tea",
    )


def test_no_cell_of_any_file_begins_a_formula(app: Flask) -> None:
    plan = make_whole_plan()
    for form in FILES:
        text = write_file(plan, form.key)
        cells = [cell for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")) for cell in row]
        assert not [cell for cell in cells if cell.startswith(FORMULA_STARTS)]
        assert text.splitlines()[0].removeprefix("\ufeff") == ",".join(form.columns)


def test_only_networks_with_ads_have_a_file_and_an_unready_ad_holds_it_back(app: Flask) -> None:
    plan = make_plan()
    assert list_files(plan) == []
    with pytest.raises(InputInvalid, match="no ads for this network"):
        write_file(plan, "google")
    add_ad(plan.id, AdFacts("google_search", "Thin", ["Tea"], ["Good."]))
    assert [one.key for one, _ in list_files(plan)] == ["google"]
    with pytest.raises(InputInvalid, match=r"“Thin” is not ready\. Google search ad needs at least 3"):
        write_file(plan, "google")
    with pytest.raises(InputInvalid):
        write_file(plan, "../google")
