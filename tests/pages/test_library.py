"""The library's pages: uploading, drawing, one picture, and choosing one for a campaign's image block."""

from __future__ import annotations

import io
from typing import Any

import pytest

from campaigns.drafting import get_campaign
from creative.assets import count_assets, get_asset, list_assets
from extensions import db
from tests.makers import make_asset, make_campaign, soup
from tests.pictures import claimed_png, encoded

DESIGN = {"headline": "The first flush is here", "sub": "From one garden.", "call": "Try a cup", "name": "Lumen"}
POSTED = {**DESIGN, "layout": "orbit", "palette": "night", "accent": "#8c2dd9", "alt": "First flush: try a cup"}


@pytest.fixture
def marketer(sign_in: Any) -> Any:
    return sign_in("marketer")


def upload(client: Any, content: bytes, filename: str = "tea.png", **fields: str) -> Any:
    data = {"file": (io.BytesIO(content), filename), "alt": "A cup of tea", "name": "", **fields}
    return client.post("/campaigns/library/upload", data=data, content_type="multipart/form-data")


def image_campaign() -> Any:
    blocks = [
        {"kind": "image", "url": "", "alt": ""},
        {"kind": "columns", "columns": [{"text": "One"}, {"text": "Two"}]},
    ]
    return make_campaign(content={"subject": "Hello", "blocks": blocks})


def test_an_upload_is_found_in_the_grid_and_on_its_page(marketer: Any) -> None:
    answer = upload(marketer, encoded("JPEG"), "holiday-photo_2.JPG")
    assert answer.status_code == 303
    asset = list_assets()[0]
    assert (asset.name, asset.alt, asset.media_type, asset.made_by[:6]) == (
        "holiday photo 2",
        "A cup of tea",
        "image/jpeg",
        "Person",
    )
    assert "holiday photo 2" in marketer.get("/campaigns/library/").text
    shown = soup(marketer.get(f"/campaigns/library/{asset.id}"))
    assert shown.select(".picture-large img")[0]["alt"] == "A cup of tea"
    assert str(shown.select("#address")[0]["value"]).endswith(f"/media/{asset.public_token}.jpg")


@pytest.mark.parametrize(
    ("content", "filename", "words"),
    [
        (b"<svg onload=alert(1)>", "logo.png", "SVG files are not taken"),
        (b"<svg><script>alert(1)</script></svg>", "logo.svg", "SVG files are not taken"),
        (b"<?php system($_GET[0]); ?>", "shell.php.jpg", "not at the name"),
        (claimed_png(50_000, 50_000), "bomb.png", "too many pixels"),
        (b"", "empty.png", "Choose a picture"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 8_200_000, "large.png", "At most 8 MB"),
    ],
)
def test_a_hostile_upload_is_refused_beside_its_field_and_the_words_stay(
    marketer: Any, content: bytes, filename: str, words: str
) -> None:
    answer = upload(marketer, content, filename, alt="Kept words")
    assert answer.status_code == 422 and words in answer.text and 'value="Kept words"' in answer.text
    assert count_assets() == 0


@pytest.mark.parametrize("filename", ["../../etc/passwd.png", "..\\..\\x.png", "a\x00b.png", "<b>x</b>.png", "é" * 300])
def test_the_name_of_a_file_leads_nowhere(marketer: Any, filename: str) -> None:
    assert upload(marketer, encoded("PNG"), filename).status_code == 303
    name = list_assets()[0].name
    assert "/" not in name and "\\" not in name and "\x00" not in name and len(name) <= 120
    assert "<b>" not in marketer.get("/campaigns/library/").text


def test_an_upload_without_alt_text_is_refused(marketer: Any) -> None:
    answer = upload(marketer, encoded("PNG"), alt="")
    assert answer.status_code == 422 and "people who cannot see it hear this" in answer.text


def test_a_picture_is_drawn_in_each_chosen_size(marketer: Any) -> None:
    page = marketer.get("/campaigns/library/draw")
    assert len(soup(page).select(".drawing")) == 3
    answer = marketer.post("/campaigns/library/draw", data={**POSTED, "places": ["email_header", "square"]})
    assert answer.status_code == 303
    assert [(one.place, one.kind, one.made_by[:6]) for one in list_assets()] == [
        ("square", "drawn", "Person"),
        ("email_header", "drawn", "Person"),
    ]
    shown = marketer.get(f"/campaigns/library/{list_assets()[0].id}").text
    assert "Contrast of each text" in shown and "Draw another like it" in shown


def test_what_is_drawn_while_it_is_typed_is_an_isolated_picture(marketer: Any) -> None:
    fragment = soup(marketer.get("/campaigns/library/draw/preview", query_string={**POSTED, "places": "x"}))
    picture = marketer.get(fragment.select("img")[0]["src"])
    assert picture.mimetype == "image/svg+xml" and 'viewBox="0 0 1600 900"' in picture.text
    assert picture.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert marketer.get("/campaigns/library/draw/preview", query_string={"headline": "🎉"}).status_code == 200
    assert marketer.get("/campaigns/library/draw/picture.svg", query_string={"headline": ""}).status_code == 422


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"headline": ""}, "The headline needs"),
        ({"alt": ""}, "people who cannot see it hear this"),
        ({"places": []}, "Choose where the picture"),
        ({"places": ["../x"]}, "Choose where the picture"),
        ({"accent": "url(x)"}, "#rrggbb"),
    ],
)
def test_a_drawing_that_cannot_be_is_refused_with_its_field(marketer: Any, changes: dict[str, Any], words: str) -> None:
    answer = marketer.post("/campaigns/library/draw", data={**POSTED, "places": ["square"], **changes})
    assert answer.status_code == 422 and words in answer.text and count_assets() == 0


def test_words_are_changed_archived_and_brought_back(marketer: Any) -> None:
    asset = make_asset()
    address = f"/campaigns/library/{asset.id}"
    assert marketer.post(address, data={"name": "Cup", "alt": "A cup"}).status_code == 303
    assert marketer.post(address, data={"name": "", "alt": "A cup"}).status_code == 422
    marketer.post(f"{address}/archive")
    assert "No pictures yet" in marketer.get("/campaigns/library/").text
    assert "Cup" in marketer.get("/campaigns/library/?archived=1").text
    marketer.post(f"{address}/restore")
    db.session.expire_all()
    assert (get_asset(asset.id).name, get_asset(asset.id).archived_at) == ("Cup", None)


def test_a_picture_is_downloaded_under_a_tame_name(marketer: Any) -> None:
    asset = make_asset(name='Tea "2" \n../x')
    answer = marketer.get(f"/campaigns/library/{asset.id}/download/png")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="tea-2-x.png"'
    assert marketer.get(f"/campaigns/library/{asset.id}/download/svg").status_code == 404


@pytest.mark.parametrize(
    ("path", "where"),
    [("blocks.0", ("url", "alt")), ("blocks.1.columns.1", ("image_url", "image_alt"))],
)
def test_a_picture_is_chosen_for_a_place_in_a_campaign(marketer: Any, path: str, where: tuple[str, str]) -> None:
    asset, campaign = make_asset(), image_campaign()
    form = {"subject": "Hello", "blocks.0.kind": "image", "then": f"choose:{path}"}
    form |= {"blocks.1.kind": "columns", "blocks.1.columns.0.text": "One", "blocks.1.columns.1.text": "Two"}
    led = marketer.post(f"/campaigns/{campaign.id}/content", data=form)
    assert led.status_code == 303 and "/campaigns/library/choose/" in led.headers["Location"]
    grid = soup(marketer.get(led.headers["Location"]))
    form_there = grid.select(".picture-card form")[0]
    fields = {one["name"]: one["value"] for one in form_there.select("input[type=hidden]")}
    back = marketer.post(form_there["action"], data={**fields, "asset": asset.id})
    assert back.status_code == 303 and back.headers["Location"].endswith("#block-" + path.replace(".", "-"))
    db.session.expire_all()
    found: Any = get_campaign(campaign.id).content
    for step in path.split("."):
        found = found[int(step)] if step.isdecimal() else found[step]
    assert found[where[0]].endswith(f"/media/{asset.public_token}.png") and found[where[1]] == asset.alt
    assert campaign.name in marketer.get(f"/campaigns/library/{asset.id}").text


@pytest.mark.parametrize("path", ["blocks.7", "blocks.x", "", "blocks.1", "subject", "blocks.-1"])
def test_a_place_that_is_not_there_changes_nothing(marketer: Any, path: str) -> None:
    asset, campaign = make_asset(), image_campaign()
    before = campaign.content
    answer = marketer.post(f"/campaigns/library/choose/{campaign.id}", data={"block": path, "asset": asset.id})
    assert answer.status_code == 303
    db.session.expire_all()
    assert get_campaign(campaign.id).content == before


def test_a_viewer_looks_and_changes_nothing(sign_in: Any) -> None:
    asset = make_asset()
    viewer = sign_in("viewer")
    assert "A cup of tea" in viewer.get("/campaigns/library/").text
    assert "Archive" not in viewer.get(f"/campaigns/library/{asset.id}").text
    for address in ("upload", "draw", f"{asset.id}", f"{asset.id}/archive", "choose/1"):
        assert viewer.post(f"/campaigns/library/{address}").status_code == 403
