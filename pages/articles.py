"""Articles: the list, the editor that keeps every version, preview, export, planning."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import has_role
from config import current_settings
from errors import Conflict, InputInvalid
from lib.clean_text import one_line
from lib.isolated_page import isolating_headers
from lib.row_ids import read_id
from models import ARTICLE_STATES, Article
from pages.calendar import STATE_WORDS, USUAL_HOUR, read_hour, show_hour
from publishing.article_content import (
    META_TEXT_MOST,
    META_TITLE_MOST,
    MOST_QUESTIONS,
    ArticleContent,
    Question,
    check_article,
    read_questions,
)
from publishing.article_export import export_html, export_markdown, file_name
from publishing.articles import (
    add_article,
    archive_article,
    change_article,
    compare_article,
    content_of,
    find_article_version,
    get_article,
    get_article_version,
    list_article_versions,
    mark_article_published,
    mark_of,
    plan_article,
    restore_article_version,
    unplan_article,
)
from publishing.calendar import house_zone
from publishing.overview import count_articles, list_articles

page = Blueprint("articles", __name__)


@page.get("/")
def index() -> str:
    """The list with its filters in the address."""
    q, state = (one_line(request.args.get(name, ""))[:200] for name in ("q", "state"))
    state = state if state in (*ARTICLE_STATES, "archived") else ""
    older, newer = read_id(request.args.get("older")), read_id(request.args.get("newer"))
    return render_template(
        "articles/index.html",
        listed=list_articles(q=q, state=state, older_than=older, newer_than=newer),
        counts=count_articles(),
        q=q,
        state=state,
        states=[("", "Any state"), *((key, STATE_WORDS[key][1]) for key in (*ARTICLE_STATES, "archived"))],
        may_change=has_role("marketer"),
    )


@page.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """A new article begins with its title."""
    if request.method == "GET":
        return render_template("articles/new.html", title="", errors={})
    title = one_line(request.form.get("title", ""))
    if not title:
        errors = {"title": "Give the article a title; it can change later."}
        return render_template("articles/new.html", title=title, errors=errors), 422
    try:
        article = add_article({"title": title}, made_by=current_user.name, user_id=current_user.id)
    except InputInvalid as error:
        return render_template("articles/new.html", title=title, errors=error.fields), 422
    return redirect(url_for("articles.show", article_id=article.id), 303)


@page.get("/<int:article_id>")
def show(article_id: int) -> str:
    """One article: its editor, checks and preview; when it is to be published, and where it stands."""
    article = get_article(article_id)
    return _show(article, content_of(article), {})


@page.post("/<int:article_id>")
def save(article_id: int) -> ResponseReturnValue:
    """Saves the content as the current version."""
    try:
        _save(article_id, is_autosave=False)
    except InputInvalid as error:
        return _show(get_article(article_id), _typed(), error.fields), 422
    except Conflict as error:
        return _show(get_article(article_id), _typed(), {"title": error.detail}), 409
    flash("Saved.", "success")
    return redirect(url_for("articles.show", article_id=article_id), 303)


@page.post("/<int:article_id>/autosave")
def autosave(article_id: int) -> ResponseReturnValue:
    """Keeps what is being typed; says when it was kept, or why it was not."""
    try:
        article = _save(article_id, is_autosave=True)
    except InputInvalid as error:
        return {"message": error.detail}, 422
    except Conflict as error:
        return {"message": error.detail}, 409
    return {"saved_at": f"{datetime.now(house_zone()):%H:%M}", "based_on": mark_of(article.content)}


@page.get("/<int:article_id>/checks")
def checks(article_id: int) -> str:
    """What is to be said of the article as it is saved, as a fragment."""
    return render_template("articles/checks.html", checks=check_article(content_of(get_article(article_id))))


@page.get("/<int:article_id>/preview")
def preview(article_id: int) -> Response:
    """The article as its page would be, for an isolated frame."""
    headers = isolating_headers(has_images=request.args.get("images") == "1")
    return Response(export_html(get_article(article_id)), headers=headers)


@page.get("/<int:article_id>/export.html")
def export_as_html(article_id: int) -> Response:
    """One standalone file."""
    article = get_article(article_id)
    return _file(export_html(article), file_name(article, "html"), "text/html")


@page.get("/<int:article_id>/export.md")
def export_as_markdown(article_id: int) -> Response:
    """The same as markdown with front matter."""
    article = get_article(article_id)
    return _file(export_markdown(article), file_name(article, "md"), "text/markdown")


@page.post("/<int:article_id>/plan")
def plan(article_id: int) -> ResponseReturnValue:
    """Puts it on the calendar as to be published then."""
    try:
        plan_article(article_id, read_hour(), user_id=current_user.id)
    except InputInvalid as error:
        article = get_article(article_id)
        typed = {name: request.form.get(name, "") for name in ("date", "time")}
        return _show(article, content_of(article), error.fields, typed), 422
    flash("It is on the calendar. Publish it where it belongs that day, then mark it as published.", "success")
    return redirect(url_for("articles.show", article_id=article_id), 303)


@page.post("/<int:article_id>/act")
def act(article_id: int) -> ResponseReturnValue:
    """Marks it as published, makes it a draft again, or archives it."""
    action, user_id = request.form.get("action", ""), current_user.id
    article_id = get_article(article_id).id
    if action == "archive":
        archive_article(article_id, user_id=user_id)
        flash("Archived.", "success")
        return redirect(url_for("articles.index"), 303)
    try:
        if action == "published":
            mark_article_published(article_id, url=request.form.get("url", ""), user_id=user_id)
            flash("Marked as published.", "success")
        elif action == "draft":
            unplan_article(article_id, user_id=user_id)
            flash("It is a draft again.", "success")
    except InputInvalid as error:
        article = get_article(article_id)
        return _show(article, content_of(article), error.fields), 422
    return redirect(url_for("articles.show", article_id=article_id), 303)


@page.get("/<int:article_id>/versions")
def versions(article_id: int) -> str:
    """Every kept version, the newest first."""
    article = get_article(article_id)
    listed = list_article_versions(article_id)
    return render_template("articles/versions.html", article=article, versions=listed, may_change=has_role("marketer"))


@page.get("/<int:article_id>/versions/<int:number>")
def version(article_id: int, number: int) -> str:
    """One version as it was, and line by line what was changed since; of the current one, what it changed."""
    article, kept = get_article(article_id), get_article_version(article_id, number)
    is_current = number == article.version
    before = find_article_version(article_id, number - 1) if is_current else kept
    view = "changes" if request.args.get("view") == "changes" and before is not None else "whole"
    return render_template(
        "articles/version.html",
        article=article,
        version=kept,
        view=view,
        before=before,
        differences=compare_article(before.content, article.content) if view == "changes" and before else [],
        content=ArticleContent.model_validate(kept.content),
        may_change=has_role("marketer"),
    )


@page.post("/<int:article_id>/versions/<int:number>/restore")
def restore(article_id: int, number: int) -> ResponseReturnValue:
    """Makes a version the current one again; the one before is kept, too."""
    restore_article_version(article_id, number, made_by=current_user.name)
    flash(f"Version {number} is back. What was there before is kept in the history.", "success")
    return redirect(url_for("articles.show", article_id=article_id), 303)


def _save(article_id: int, *, is_autosave: bool) -> Article:
    return change_article(
        article_id,
        _typed().model_dump(),
        made_by=current_user.name,
        based_on=request.form.get("based_on") or None,
        is_autosave=is_autosave,
    )


def _typed() -> ArticleContent:
    form = request.form
    lines = {name: form.get(name, "") for name in ("title", "slug", "meta_title", "meta_description", "body")}
    return ArticleContent.model_validate(
        {**lines, "faq": read_questions(form.getlist("question"), form.getlist("answer"))}
    )


def _file(text: str, name: str, media_type: str) -> Response:
    # A browser that shows the file instead of saving it shows it without any rights here.
    response = Response(text, mimetype=media_type, headers=isolating_headers())
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _show(
    article: Article, content: ArticleContent, errors: dict[str, str], typed: Mapping[str, Any] | None = None
) -> str:
    empty = [Question()] if len(content.faq) < MOST_QUESTIONS else []
    may_change = has_role("marketer") and article.archived_at is None
    return render_template(
        "articles/show.html",
        article=article,
        content=content,
        questions=[*content.faq, *empty],
        errors=errors,
        when=typed or show_hour(article.planned_at),
        usual_hour=USUAL_HOUR,
        based_on=mark_of(article.content),
        checks=check_article(content),
        zone=current_settings().timezone,
        limits={"meta_title": META_TITLE_MOST, "meta_description": META_TEXT_MOST},
        may_change=may_change,
    )
