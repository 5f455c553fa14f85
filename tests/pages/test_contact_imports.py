"""The import's pages: upload, mapping, check, import, refused rows, undo; and a worker that is killed on the way."""

from __future__ import annotations

import io
from collections.abc import Callable

from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from audience.imports import ImportOptions, add_import, check_import, get_import, start_import
from extensions import db
from tests import makers
from tests.servers import Lux, wait_until

SignIn = Callable[..., FlaskClient]
FILE = b"E-mail,Full name,Plan\nann@example.com,Ann,pro\nwrong,Bob,free\n"


def upload(client: FlaskClient, raw: bytes = FILE) -> str:
    answer = client.post("/contacts/imports/", data={"file": (io.BytesIO(raw), "people.csv")})
    assert answer.status_code == 303
    return str(answer.location)


def text_of(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser").get_text(" ", strip=True)


def test_a_file_goes_all_the_way_by_plain_forms(app: Flask, sign_in: SignIn, count_rows: Callable[[str], int]) -> None:
    client = sign_in("marketer")
    at = upload(client)
    assert "What do the columns mean?" in text_of(client, at)
    form = {
        "column-0": "email",
        "column-1": "name",
        "column-2": "attribute",
        "duplicates": "skip",
        "is_subscribing": "1",
    }
    refused = client.post(f"{at}/check", data=form)
    assert refused.status_code == 422
    assert "Say how and when these people agreed" in refused.get_data(as_text=True)
    assert client.post(f"{at}/check", data={**form, "statement": "Fair"}).location == at
    checked = text_of(client, at)
    assert "Nothing is written yet" in checked and "“wrong” is not an e-mail address" in checked
    assert "What do the columns mean?" in text_of(client, f"{at}?step=mapping")
    assert count_rows("contacts") == 0
    assert client.post(f"{at}/start").location == at
    assert count_rows("contacts") == 1
    assert "Added" in text_of(client, at)
    assert "ann@example.com" not in text_of(client, f"{at}?outcome=refused").split("Rows of the file")[1]
    refused_rows = client.get(f"{at}/refused.csv", buffered=True)
    assert refused_rows.get_data(as_text=True).splitlines()[1] == "wrong,Bob,free,3,“wrong” is not an e-mail address."
    assert sign_in("viewer").get(f"{at}/refused.csv").status_code == 403
    client.post(f"{at}/undo")
    assert count_rows("contacts") == 0
    assert "Taken back" in text_of(client, at)
    assert client.post(f"{at}/undo").status_code == 303
    assert "people.csv" in text_of(client, "/contacts/imports/")


def test_what_cannot_be_used_is_said_beside_the_field(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    for data in ({}, {"file": (io.BytesIO(b"PK\x03\x04"), "people.xlsx")}, {"file": (io.BytesIO(b""), "empty.csv")}):
        answer = client.post("/contacts/imports/", data=data)
        assert answer.status_code == 422
        page = BeautifulSoup(answer.get_data(as_text=True), "html.parser")
        assert page.select_one("#field-file-error") is not None


def test_progress_is_shown_until_it_is_over(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    at = upload(client, b"email\n" + b"".join(b"p%d@example.com\n" % number for number in range(400)))
    client.post(f"{at}/check", data={"column-0": "email", "duplicates": "skip"})
    page = client.get(at).get_data(as_text=True)
    assert 'hx-trigger="every 1s"' in page and "0 of 400 rows" in page
    assert "0 of 400 rows" in client.get(f"{at}/progress").get_data(as_text=True)
    assert "An import is under way" in client.get("/contacts/").get_data(as_text=True)
    client.post(f"{at}/stop")
    assert get_import(int(at.rpartition("/")[2])).state == "stopping"
    done = upload(client)
    assert client.get(f"{done}/progress").headers["HX-Refresh"] == "true"


def test_an_import_whose_worker_is_killed_ends_whole(start_lux: Callable[..., Lux]) -> None:
    lux = start_lux(has_web=False, has_worker=True)
    app = lux.make_app()
    rows = 12_000
    raw = b"email,name\n" + b"".join(b"person%d@example.com,Person %d\n" % (number, number) for number in range(rows))
    with app.app_context():
        import_id = add_import("many.csv", raw, actor="Ada").id
        check_import(import_id, ImportOptions(columns={0: "email", 1: "name"}, is_subscribing=True, statement="Fair"))

        def state() -> str:
            db.session.rollback()
            return get_import(import_id).state

        wait_until(lambda: state() == "checked", "the dry run")
        start_import(import_id)
        wait_until(lambda: lux.count("contacts") >= 400, "the first rows")
        lux.kill_worker()
        after_kill = lux.count("contacts")
        lux.start_worker()
        wait_until(lambda: state() == "done", "the import to end", 180)
        totals = get_import(import_id).totals
    assert after_kill < rows
    assert lux.count("contacts") == rows
    assert lux.count("contact_import_rows") == rows
    assert lux.count("consent_entries") == rows
    assert (totals["created"], totals["read"]) == (rows, rows)


def test_a_person_imports_in_a_browser_and_watches(
    start_lux: Callable[..., Lux], open_browser: Callable[..., Page]
) -> None:
    lux = start_lux(has_worker=True)
    app = lux.make_app()
    with app.app_context():
        cookie = makers.signed_in_client(app, makers.make_user(role="marketer")).get_cookie("lux")
    assert cookie is not None
    page = open_browser(lux.url)
    page.context.add_cookies([{"name": "lux", "value": cookie.value, "url": lux.url}])
    page.goto("/contacts/imports/")
    raw = "email;name\n" + "".join(f"p{number}@example.com;Person {number}\n" for number in range(900))
    page.get_by_label("CSV file").set_input_files(
        {"name": "people.csv", "mimeType": "text/csv", "buffer": raw.encode()}
    )
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("button", name="Check without importing").click()
    expect(page.get_by_text("Nothing is written yet")).to_be_visible()
    page.get_by_role("button", name="Import now").click()
    expect(page.get_by_role("button", name="Undo this import…")).to_be_visible()
    page.get_by_role("link", name="To the contacts").click()
    expect(page.get_by_text("900 contacts.")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export all").click()
    assert len(download.value.path().read_text().splitlines()) == 901
