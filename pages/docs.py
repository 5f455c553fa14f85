"""LUX's own documents, README and docs/, as pages: what answers of the chatbot link to."""

from __future__ import annotations

from flask import Blueprint, render_template

from config import current_settings
from conversation.documents import find_document, list_documents, render_document
from errors import NotFound

page = Blueprint("docs", __name__)


@page.get("/")
def index() -> str:
    """All documents."""
    return render_template("docs/index.html", documents=list_documents().values())


@page.get("/<document>")
def show(document: str) -> str:
    """One document."""
    found = find_document(document)
    if found is None:
        raise NotFound("There is no such document.")
    html = render_document(found, current_settings().lux_public_url)
    return render_template("docs/show.html", document=found, html=html)
