"""The box on the Diagnostics page: a text goes in, a diagnosis comes out; escaped, not kept, for operators only."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient

from error_logger import error_logger
from extensions import db

SignIn = Callable[..., FlaskClient]
FULL = "OSError: [Errno 28] No space left on device"


def read(page: str) -> BeautifulSoup:
    return BeautifulSoup(page, "html.parser")


def test_a_pasted_text_is_diagnosed(sign_in: SignIn) -> None:
    answer = sign_in("operator").post("/diagnostics/diagnosis/", data={"text": FULL})
    card = read(answer.get_data(as_text=True)).select_one(".diagnosis")
    assert answer.status_code == 200
    assert card is not None
    assert "disk-full" in card.text
    assert "prune_files" in card.text
    assert "text:1" in card.text


def test_a_file_is_read_in_place_of_the_text(sign_in: SignIn) -> None:
    file = (io.BytesIO(FULL.encode()), "app.log")
    answer = sign_in("operator").post("/diagnostics/diagnosis/", data={"file": file, "text": ""})
    assert "disk-full" in answer.get_data(as_text=True)


def test_what_was_pasted_comes_back_escaped_and_without_secrets_in_the_evidence(sign_in: SignIn) -> None:
    text = f"{FULL}\nRuntimeError: <script>alert(1)</script> password=hunter2secret"
    page = sign_in("operator").post("/diagnostics/diagnosis/", data={"text": text}).get_data(as_text=True)
    assert "<script>alert(1)" not in page
    card = read(page).select_one(".diagnosis")
    assert card is not None
    assert "hunter2secret" not in card.text


def test_an_empty_box_is_told_beside_the_field(sign_in: SignIn) -> None:
    answer = sign_in("operator").post("/diagnostics/diagnosis/", data={"text": "  "})
    assert answer.status_code == 422
    assert "Paste a few lines" in answer.get_data(as_text=True)


def test_nothing_of_a_text_is_kept(sign_in: SignIn, count_rows: Callable[[str], int]) -> None:
    sign_in("operator").post("/diagnostics/diagnosis/", data={"text": FULL})
    assert count_rows("error_groups") == 0


def test_the_page_says_what_is_wrong_now_from_the_unresolved_groups(sign_in: SignIn) -> None:
    client = sign_in("operator")
    logger = error_logger()
    try:
        raise OSError(28, "No space left on device")
    except OSError as error:
        logger.capture(error, place="job prune")
    assert logger.flush_now()
    db.session.rollback()
    page = client.get("/diagnostics/diagnosis/").get_data(as_text=True)
    assert "disk-full" in page
    assert "error:1" in page


def test_the_diagnostics_page_has_the_box(sign_in: SignIn) -> None:
    page = read(sign_in("operator").get("/diagnostics/").get_data(as_text=True))
    form = page.select_one('form[action="/diagnostics/diagnosis/"]')
    assert form is not None
    assert form.select_one("textarea[name=text]") is not None


@pytest.mark.parametrize("role", ["viewer", "marketer"])
def test_only_operators_get_a_diagnosis(sign_in: SignIn, role: str) -> None:
    client = sign_in(role)
    assert client.get("/diagnostics/diagnosis/").status_code == 403
    assert client.post("/diagnostics/diagnosis/", data={"text": FULL}).status_code == 403
