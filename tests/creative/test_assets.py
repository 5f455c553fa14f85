"""Assets are added with an alt text, found again, renamed, archived and brought back."""

from __future__ import annotations

import pytest
from flask import Flask

from creative.assets import (
    AssetFilter,
    add_asset,
    archive_asset,
    asset_url,
    change_asset,
    count_assets,
    find_asset,
    find_public_asset,
    get_asset,
    list_assets,
    restore_asset,
)
from errors import InputInvalid, NotFound
from extensions import db
from lib.pictures import read_upload
from tests.makers import make_asset
from tests.pictures import encoded


def test_an_asset_has_a_public_address_that_cannot_be_counted(app: Flask) -> None:
    first, second = make_asset(), make_asset(colour="#ff6abb")
    assert asset_url(first).startswith("http") and asset_url(first).endswith(".png")
    assert len(first.public_token) >= 22 and first.public_token != second.public_token
    assert find_public_asset(first.public_token) is first
    assert find_public_asset(first.public_token[:-1]) is None


def test_the_same_picture_twice_is_the_same_asset(app: Flask) -> None:
    assert make_asset().id == make_asset(name="Again").id
    assert count_assets() == 1


@pytest.mark.parametrize("alt", ["", "   ", "\u200b", "IMG_2041.jpg", "a" * 301])
def test_it_refuses_an_alt_text_that_says_nothing(app: Flask, alt: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        add_asset(name="Tea", alt=alt, picture=read_upload(encoded("PNG")), made_by="Ada")
    assert "alt" in caught.value.fields
    assert count_assets() == 0


def test_assets_are_found_by_words_kind_and_place(app: Flask) -> None:
    tea, cup = make_asset(name="Tea"), make_asset(name="100% cup", alt="A cup_", colour="#000000")
    assert [one.id for one in list_assets()] == [cup.id, tea.id]
    assert [one.id for one in list_assets(AssetFilter(q="tea green"))] == [tea.id]
    assert [one.id for one in list_assets(AssetFilter(q="100%"))] == [cup.id]
    assert list_assets(AssetFilter(kind="drawn")) == []
    assert [one.id for one in list_assets(before_id=cup.id)] == [tea.id]


def test_an_archived_asset_leaves_the_library_and_keeps_its_address(app: Flask) -> None:
    asset = make_asset()
    archive_asset(asset.id)
    assert list_assets() == [] and count_assets(AssetFilter(is_archived=True)) == 1
    assert find_public_asset(asset.public_token) is not None
    restore_asset(asset.id)
    assert count_assets() == 1


def test_name_and_alt_text_are_changed_and_what_is_not_there_is_said(app: Flask) -> None:
    asset = make_asset()
    change_asset(asset.id, name=" Green\ntea ", alt="Leaves in a cup")
    db.session.expire_all()
    assert (get_asset(asset.id).name, get_asset(asset.id).alt) == ("Green tea", "Leaves in a cup")
    assert find_asset(None) is None and find_asset(999_999) is None
    with pytest.raises(NotFound):
        get_asset(999_999)
