"""Settings › Brand: voice, offer, links and words, which every agent reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import has_role, peer
from campaigns.brand import BrandLink, BrandValues, change_brand, get_brand, measure_brand
from config import current_settings
from errors import InputInvalid
from models import Brand

page = Blueprint("brand", __name__)


@page.get("/")
def index() -> str:
    """The brand as it is."""
    brand = get_brand()
    return _show(brand, _form_of(brand), {})


@page.post("/")
def save() -> ResponseReturnValue:
    """Saves the brand."""
    try:
        _change()
    except InputInvalid as error:
        return _show(get_brand(), request.form, error.fields), 422
    flash("The brand is saved. Agents read it from their next run on.", "success")
    return redirect(url_for("brand.index"), 303)


@page.post("/autosave")
def autosave() -> ResponseReturnValue:
    """Saves the brand while its author types."""
    try:
        _change()
    except InputInvalid as error:
        return jsonify(message=error.detail), 422
    now = datetime.now(ZoneInfo(current_settings().timezone))
    return jsonify(saved_at=now.strftime("%H:%M"))


def _change() -> Brand:
    return change_brand(_values_of(request.form), actor=current_user.name, user_id=current_user.id, peer=peer())


def _show(brand: Brand, values: Mapping[str, str], errors: Mapping[str, str]) -> str:
    return render_template(
        "settings/brand.html",
        values=values,
        errors=errors,
        completeness=measure_brand(brand),
        may_change=has_role("marketer"),
    )


def _values_of(form: Mapping[str, str]) -> BrandValues:
    return BrandValues(
        company=form.get("company", ""),
        website=form.get("website", ""),
        voice=form.get("voice", ""),
        audience=form.get("audience", ""),
        offer=form.get("offer", ""),
        accent_color=form.get("accent_color", ""),
        words_to_use=re.split(r"[,;\n]", form.get("words_to_use", "")),
        words_to_avoid=re.split(r"[,;\n]", form.get("words_to_avoid", "")),
        proof_points=form.get("proof_points", "").splitlines(),
        links=[_link_of(line) for line in form.get("links", "").splitlines() if line.strip()],
    )


def _link_of(line: str) -> BrandLink:
    """A line of the links: "Shop: https://…", "Shop | https://…" or an address alone."""
    match = re.match(r"^(.*?)[\s:|–-]*((?:https?|ftp|javascript|data|mailto):\S*)\s*$", line.strip(), re.I)
    return BrandLink(match[1].strip(), match[2]) if match else BrandLink("", line.strip())


def _form_of(brand: Brand) -> dict[str, str]:
    return {
        "company": brand.company,
        "website": brand.website,
        "voice": brand.voice,
        "audience": brand.audience,
        "offer": brand.offer,
        "accent_color": brand.accent_color,
        "words_to_use": ", ".join(brand.words_to_use),
        "words_to_avoid": ", ".join(brand.words_to_avoid),
        "proof_points": "\n".join(brand.proof_points),
        "links": "\n".join(f"{link['label']}: {link['url']}" for link in brand.links),
    }
