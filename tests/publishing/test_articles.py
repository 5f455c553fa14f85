"""Articles: every version kept, checks that count, exports that stand alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from errors import Conflict, InputInvalid
from models import Article
from publishing.article_content import check_article, find_article_blockers, read_article_content, slug_for
from publishing.article_export import export_html, export_markdown, file_name
from publishing.articles import (
    add_article,
    archive_article,
    change_article,
    compare_article,
    content_of,
    get_article,
    list_article_versions,
    mark_article_published,
    mark_of,
    plan_article,
    restore_article_version,
)
from tests.publishing.publishing_scene import ARTICLE


def write(**changes: object) -> Article:
    return add_article({**ARTICLE, **changes}, made_by="Ada", user_id=None)


def test_what_one_person_types_in_a_row_is_one_version_and_a_restored_one_is_new(app: Flask) -> None:
    article = write()
    for words in ("One", "One two", "One two three"):
        change_article(article.id, {**ARTICLE, "body": words}, made_by="Ada", is_autosave=True)
    change_article(article.id, {**ARTICLE, "body": "By Bo"}, made_by="Bo", is_autosave=True)
    assert [(one.number, one.content["body"]) for one in list_article_versions(article.id)] == [
        (3, "By Bo"), (2, "One two three"), (1, ARTICLE["body"]),
    ]  # fmt: skip
    restore_article_version(article.id, 2, made_by="Bo")
    newest = list_article_versions(article.id)[0]
    assert (newest.number, newest.note, content_of(get_article(article.id)).body) == (
        4, "Version 2 restored", "One two three",
    )  # fmt: skip


def test_text_that_began_with_an_older_state_does_not_overwrite_somebody_elses(app: Flask) -> None:
    article = write()
    began_with = mark_of(article.content)
    change_article(article.id, {**ARTICLE, "body": "By Bo"}, made_by="Bo", based_on=began_with)
    with pytest.raises(Conflict, match="Bo changed this article"):
        change_article(article.id, {**ARTICLE, "body": "By Ada"}, made_by="Ada", based_on=began_with)


def test_what_changed_between_two_versions_is_told_line_by_line(app: Flask) -> None:
    older = {"title": "Tea", "body": "One\nTwo", "faq": [{"question": "Why?", "answer": "It is good."}]}
    newer = {**older, "title": "Green tea", "body": "One\nThree"}
    changed = [(line.kind, line.text) for line in compare_article(older, newer) if line.kind != "same"]
    assert changed == [
        ("removed", "Title: Tea"), ("added", "Title: Green tea"), ("removed", "Two"), ("added", "Three"),
    ]  # fmt: skip
    assert compare_article(older, older) == []


def test_limits_are_told_and_nothing_typed_is_lost(app: Flask) -> None:
    long = {**ARTICLE, "meta_title": "m" * 61, "meta_description": "d" * 156, "slug": "Not a slug"}
    article = add_article(long, made_by="Ada", user_id=None)
    assert content_of(article).meta_title == "m" * 61
    assert set(find_article_blockers(content_of(article))) == {"meta_title", "meta_description", "slug"}
    with pytest.raises(InputInvalid):
        plan_article(article.id, datetime.now(UTC) + timedelta(days=1), user_id=None)
    assert get_article(article.id).state == "draft"


def test_a_picture_without_alt_text_and_half_a_question_are_told(app: Flask) -> None:
    content = read_article_content(
        {**ARTICLE, "body": "![](https://lumen.example/a.png)", "faq": [{"question": "Why?", "answer": ""}]}
    )
    assert {check.field for check in check_article(content) if check.kind == "blocker"} == {"body", "faq"}


def test_it_is_planned_published_and_archived(app: Flask) -> None:
    article = write()
    plan_article(article.id, datetime.now(UTC) + timedelta(days=1), user_id=None)
    mark_article_published(article.id, url="https://lumen.example/tea", user_id=None)
    done = get_article(article.id)
    assert (done.state, done.published_url) == ("published", "https://lumen.example/tea")
    with pytest.raises(InputInvalid):
        mark_article_published(article.id, url="javascript:alert(1)", user_id=None)
    assert archive_article(article.id, user_id=None).archived_at is not None


def test_the_html_stands_alone_and_holds_no_script_whatever_was_typed(app: Flask) -> None:
    body = (
        "# Too large\n\n<script>alert(1)</script>\n\n[a](javascript:alert(1)) [b](https://lumen.example/) "
        "![c](https://lumen.example/a.png)\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    )
    page = export_html(write(body=body, title="Tea <b>&", meta_title="<script>"))
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert "javascript:" not in page.replace("[a](javascript:", "")
    assert "<h1>Tea &lt;b&gt;&amp;</h1>" in page
    assert "<h2>Too large</h2>" in page
    assert '<a href="https://lumen.example/">b</a>' in page
    assert '<img src="https://lumen.example/a.png" alt="c">' in page
    assert "<td>1</td>" in page
    assert "<h3>May the water boil?</h3>" in page
    assert not any(mark in page for mark in ("<link", "@import", "url("))


def test_the_markdown_has_its_facts_on_top(app: Flask) -> None:
    text = export_markdown(write(title='Tea: "quoted"'))
    assert text.startswith('---\ntitle: "Tea: \\"quoted\\""\nslug: "how-to-brew-green-tea"\n')
    assert '# Tea: "quoted"\n\nGreen tea asks for little.' in text
    assert text.endswith("## Questions\n\n### May the water boil?\n\nNo.\n")


def test_the_files_name_is_safe_in_a_header(app: Flask) -> None:
    assert file_name(write(), "html") == "how-to-brew-green-tea.html"
    strange = write(slug='a"; x=\r\n')
    assert file_name(strange, "md") == f"article-{strange.id}.md"


def test_a_title_becomes_a_slug() -> None:
    assert slug_for("Grüner Tee: 3 Fragen!") == "gruner-tee-3-fragen"
    assert slug_for("お茶") == "article"
