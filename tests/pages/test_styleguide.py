"""The styleguide shows every component there is, soundly."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bs4 import BeautifulSoup
from flask.testing import FlaskClient

from lib.contrast import contrast_ratio
from pages.styleguide import read_tokens

ROOT = Path(__file__).resolve().parents[2]
SignIn = Callable[..., FlaskClient]
# Parts of the shell and of other pages, which the styleguide shows by being a page itself.
NOT_ON_THE_GUIDE = {"csrf", "attributes", "ask_tile", "toast_region"}


def read(client: FlaskClient) -> BeautifulSoup:
    answer = client.get("/styleguide/")
    assert answer.status_code == 200
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")


def test_the_page_has_one_heading_unique_ids_and_labelled_fields(sign_in: SignIn) -> None:
    page = read(sign_in("viewer"))
    assert len(page.find_all("h1")) == 1
    ids = Counter(str(tag["id"]) for tag in page.find_all(id=True))
    assert [name for name, count in ids.items() if count > 1] == []
    for field in page.select("input:not([type=hidden]), select, textarea"):
        has_name = field.get("aria-label") or page.select_one(f'label[for="{field.get("id")}"]')
        assert has_name, field


def test_every_macro_is_shown(sign_in: SignIn) -> None:
    guide = (ROOT / "templates/styleguide/index.html").read_text()
    for path in (ROOT / "templates/components").glob("*.html"):
        for name in re.findall(r"{% macro ([a-z]\w*)\(", path.read_text()):
            if path.name in ("ui.html", "palette.html") or name in NOT_ON_THE_GUIDE or name == "option_tag":
                continue
            assert f"ui.{name}(" in guide, f"{path.name}: {name}"


def test_an_error_stands_under_its_field_and_is_tied_to_it(sign_in: SignIn) -> None:
    page = read(sign_in("viewer"))
    field = page.select_one("#field-email")
    assert field is not None
    assert field["aria-invalid"] == "true"
    ids = str(field["aria-describedby"]).split()
    assert ids == ["field-email-hint", "field-email-error"]
    assert all(page.find(id=one) is not None for one in ids)
    assert page.select_one('.error-summary a[href="#field-email"]') is not None


def test_the_colours_shown_are_those_of_the_tokens_with_their_contrast(sign_in: SignIn) -> None:
    rows = {
        str(row.th.get_text(strip=True)): row.select("td")[-1].get_text(strip=True)
        for row in read(sign_in("viewer")).select("#table-colours tbody tr")
        if row.th
    }
    assert rows == {name: f"{contrast_ratio(value, '#000000'):.1f}" for name, value in read_tokens().items()}
