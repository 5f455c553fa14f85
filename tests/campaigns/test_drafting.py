"""Drafts: every version is kept, whoever saves, however often, from however many tabs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from campaigns.drafting import (
    add_campaign,
    archive_campaign,
    change_audience,
    change_content,
    change_goal,
    change_schedule,
    copy_campaign,
    draft_campaign,
    get_campaign,
    get_version,
    list_versions,
    mark_of,
    restore_version,
)
from errors import Conflict, InputInvalid, NotFound
from extensions import db
from models import Campaign, CampaignVersion
from tests import makers


def said(words: str) -> dict[str, Any]:
    return {"subject": words, "blocks": [{"kind": "text", "text": words}]}


def kept_subjects(campaign_id: int) -> set[str]:
    return {version.content["subject"] for version in list_versions(campaign_id)}


def test_a_new_campaign_is_a_draft_with_its_first_version(app: Flask) -> None:
    campaign = add_campaign(name="  Spring\nsale ", made_by="Ada", content=said("Hello"), note="From an agent")
    assert (campaign.name, campaign.state, campaign.version) == ("Spring sale", "draft", 1)
    assert get_version(campaign.id, 1).note == "From an agent"


def test_a_draft_within_a_callers_transaction_is_gone_when_that_is_rolled_back(
    app: Flask, count_rows: Callable[[str], int]
) -> None:
    draft_campaign(name="Half done", made_by="Ada")
    db.session.rollback()
    assert count_rows("campaigns") == 0


@pytest.mark.parametrize("name", ["", "   ", "x" * 121, "\u200b"])
def test_it_refuses_a_name_that_is_none(app: Flask, name: str) -> None:
    with pytest.raises(InputInvalid) as refused:
        add_campaign(name=name, made_by="Ada")
    assert list(refused.value.fields) == ["name"]


def test_autosaves_of_one_person_in_a_row_share_a_version(app: Flask) -> None:
    campaign = makers.make_campaign()
    for words in ("one", "two", "three"):
        change_content(campaign.id, said(words), made_by="Ada", is_autosave=True)
    assert get_campaign(campaign.id).version == 2
    assert get_version(campaign.id, 2).content["subject"] == "three"


def test_a_save_by_hand_begins_a_version_of_its_own(app: Flask) -> None:
    campaign = makers.make_campaign()
    change_content(campaign.id, said("one"), made_by="Ada", is_autosave=True)
    change_content(campaign.id, said("two"), made_by="Ada")
    assert kept_subjects(campaign.id) >= {"one", "two"}


def test_autosaves_long_apart_begin_a_new_version(app: Flask) -> None:
    campaign = makers.make_campaign()
    change_content(campaign.id, said("one"), made_by="Ada", is_autosave=True)
    db.session.execute(update(CampaignVersion).values(created_at=datetime.now(UTC) - timedelta(minutes=11)))
    db.session.commit()
    change_content(campaign.id, said("two"), made_by="Ada", is_autosave=True)
    assert kept_subjects(campaign.id) >= {"one", "two"}


def test_saving_the_same_again_changes_nothing(app: Flask) -> None:
    campaign = makers.make_campaign()
    change_content(campaign.id, said("one"), made_by="Ada")
    change_content(campaign.id, said("one"), made_by="Ada")
    assert get_campaign(campaign.id).version == 2


def test_a_draft_that_somebody_else_has_changed_is_not_overwritten(app: Flask) -> None:
    campaign = makers.make_campaign()
    seen = mark_of(campaign.content)
    change_content(campaign.id, said("of Ada"), made_by="Ada", based_on=seen)
    with pytest.raises(Conflict, match="Ada changed this draft"):
        change_content(campaign.id, said("of Bo"), made_by="Bo", based_on=seen, is_autosave=True)
    assert get_campaign(campaign.id).content["subject"] == "of Ada"


def test_two_tabs_of_one_person_lose_nothing_to_each_other(app: Flask) -> None:
    campaign = makers.make_campaign()
    seen = mark_of(campaign.content)
    change_content(campaign.id, said("first tab"), made_by="Ada", based_on=seen, is_autosave=True)
    change_content(campaign.id, said("second tab"), made_by="Ada", based_on=seen, is_autosave=True)
    assert kept_subjects(campaign.id) >= {"first tab", "second tab"}


def test_a_version_comes_back_and_the_one_before_is_kept(app: Flask) -> None:
    campaign = makers.make_campaign(content=said("first"))
    change_content(campaign.id, said("second"), made_by="Ada")
    restored = restore_version(campaign.id, 1, made_by="Bo")
    assert restored.content["subject"] == "first"
    assert restored.version == 3
    assert kept_subjects(campaign.id) == {"first", "second"}


def test_autosaving_after_a_restore_leaves_the_restored_version_alone(app: Flask) -> None:
    campaign = makers.make_campaign(content=said("first"))
    change_content(campaign.id, said("second"), made_by="Ada")
    restore_version(campaign.id, 1, made_by="Ada")
    change_content(campaign.id, said("third"), made_by="Ada", is_autosave=True)
    assert get_version(campaign.id, 3).content["subject"] == "first"


def test_ten_saves_at_once_are_all_kept(app: Flask) -> None:
    campaign_id = makers.make_campaign().id

    def save(number: int) -> None:
        with app.app_context():
            change_content(campaign_id, said(f"save {number}"), made_by=f"Person {number}")
            db.session.remove()

    threads = [threading.Thread(target=save, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    db.session.rollback()
    assert kept_subjects(campaign_id) >= {f"save {number}" for number in range(10)}
    assert sorted(version.number for version in list_versions(campaign_id)) == list(range(1, 12))


def test_what_has_left_the_draft_cannot_be_changed(app: Flask) -> None:
    campaign = makers.make_campaign()
    db.session.execute(update(Campaign).values(state="sending"))
    db.session.commit()
    changes: list[Callable[[], object]] = [
        lambda: change_goal(campaign.id, name="x", goal=""),
        lambda: change_audience(campaign.id, None),
        lambda: change_content(campaign.id, said("late"), made_by="Ada"),
        lambda: change_schedule(campaign.id, at=None, timezone="UTC"),
        lambda: restore_version(campaign.id, 1, made_by="Ada"),
        lambda: archive_campaign(campaign.id),
    ]
    for change in changes:
        with pytest.raises(Conflict):
            change()
        db.session.rollback()


def test_a_copy_is_a_new_draft_with_the_same_words(app: Flask) -> None:
    campaign = makers.make_campaign(content=said("Hello"))
    copied = copy_campaign(campaign.id, made_by="Bo")
    assert copied.id != campaign.id
    assert copied.content == campaign.content
    assert copied.state == "draft"


def test_a_moment_that_has_passed_is_refused(app: Flask) -> None:
    campaign = makers.make_campaign()
    with pytest.raises(InputInvalid) as refused:
        change_schedule(campaign.id, at=datetime.now(UTC) - timedelta(minutes=1), timezone="UTC")
    assert list(refused.value.fields) == ["time"]


def test_what_is_not_there_is_not_found(app: Flask) -> None:
    with pytest.raises(NotFound):
        get_campaign(1)
    with pytest.raises(NotFound):
        get_version(1, 1)
    with pytest.raises(InputInvalid):
        add_campaign(name="x", made_by="Ada", segment_id=99)
