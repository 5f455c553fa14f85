"""The library of pictures: the grid, uploading, drawing, one picture, and choosing one for a campaign or a post."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.datastructures import MultiDict

from access import has_role
from campaigns.brand import get_brand
from campaigns.content_form import fill_image
from campaigns.drafting import change_content, content_of, get_open_draft
from creative.assets import (
    AssetFilter,
    add_asset,
    archive_asset,
    asset_url,
    change_asset,
    count_assets,
    find_asset,
    get_asset,
    list_assets,
    list_campaigns_with,
    read_picture,
    restore_asset,
)
from creative.drawings import LAYOUTS, Design, add_drawings, draw, get_place, read_design
from creative.palettes import PALETTES
from errors import Conflict, InputInvalid
from lib.networks import EMAIL_HEADER, PLACES, get_network
from lib.pictures import ENDINGS, MOST_BYTES
from lib.row_ids import read_id
from models import ASSET_KINDS, Asset
from pages.media import POLICY, send_picture
from publishing.posts import change_post_picture, get_post

page = Blueprint("library", __name__)

KIND_WORDS = {"upload": "Uploaded", "drawn": "Drawn"}
ROOM_FOR_FIELDS = 100_000
USUAL_PLACES = ("email_header", "linkedin", "instagram")
page.add_app_template_global(asset_url, "asset_address")


@page.app_template_global()
def asset_kind(asset: Asset) -> str:
    """How the picture came to be, in a word."""
    return KIND_WORDS[asset.kind]


@page.app_template_global()
def byte_words(count: int) -> str:
    """A size in bytes as people say it."""
    return f"{count / 1_000_000:.1f} MB" if count >= 1_000_000 else f"{max(1, round(count / 1000))} KB"


@page.app_template_global()
def thumbnail_data(asset: Asset) -> str:
    """The small picture as part of the page: a grid of them is one answer, not one for each."""
    return f"data:image/webp;base64,{b64encode(asset.thumbnail).decode()}"


@page.get("/")
def index() -> str:
    """The pictures, newest first; search and filters are in the address."""
    wanted = _filter()
    listed = list_assets(wanted, before_id=read_id(request.args.get("older")), with_thumbnails=True)
    older = listed[-1].id if listed and list_assets(wanted, before_id=listed[-1].id, limit=1) else None
    arguments = _arguments(wanted)
    return render_template(
        "library/index.html",
        assets=listed,
        wanted=wanted,
        count=count_assets(wanted),
        is_empty=not listed and wanted == AssetFilter(),
        older_url=url_for("library.index", **arguments, older=older) if older else None,
        arguments=arguments,
        places=[(one.key, one.label) for one in PLACES],
        kinds=list(KIND_WORDS.items()),
        may_change=has_role("marketer"),
    )


@page.route("/upload", methods=["GET", "POST"])
def upload() -> ResponseReturnValue:
    """Takes a picture with its name and its alt text."""
    if request.method == "GET":
        return _show_upload({}, {})
    form, file = request.form, request.files.get("file")
    try:
        if request.content_length is not None and request.content_length > MOST_BYTES + ROOM_FOR_FIELDS:
            raise InputInvalid({"file": "This file is too large. At most 8 MB are taken."})
        picture = read_picture(file.stream.read(MOST_BYTES + 1) if file is not None else b"")
        asset = add_asset(
            name=form.get("name", "") or _name_of(file.filename if file is not None else ""),
            alt=form.get("alt", ""),
            picture=picture,
            made_by=current_user.name,
            created_by_id=current_user.id,
        )
    except InputInvalid as error:
        return _show_upload(form, error.fields), 422
    flash("The picture is in the library.", "success")
    return redirect(url_for("library.show", asset_id=asset.id), 303)


@page.route("/draw", methods=["GET", "POST"])
def draw_picture() -> ResponseReturnValue:
    """Makes pictures from words: what is in the address is shown, what is posted is added."""
    if request.method == "GET":
        values = request.args if "headline" in request.args else MultiDict(_usual_design())
        return _show_draw(values, _draw_problems(values))
    form = request.form
    try:
        design = read_design(_design_values(form))
        assets = add_drawings(
            design,
            [get_place(key) for key in dict.fromkeys(form.getlist("places"))],
            name=design.headline,
            alt=form.get("alt", ""),
            made_by=current_user.name,
            created_by_id=current_user.id,
        )
    except InputInvalid as error:
        return _show_draw(form, error.fields), 422
    if len(assets) == 1:
        flash("The picture is in the library.", "success")
        return redirect(url_for("library.show", asset_id=assets[0].id), 303)
    flash(f"{len(assets)} pictures are in the library.", "success")
    return redirect(url_for("library.index"), 303)


@page.get("/draw/preview")
def draw_preview() -> str:
    """The chosen sizes of a design as a fragment."""
    return render_template("library/drawings.html", **_drawn(request.args, _draw_problems(request.args)))


@page.get("/draw/picture.svg")
def draw_svg() -> Response:
    """One size of a design that is not saved. Raises InputInvalid."""
    drawing = draw(read_design(_design_values(request.args)), get_place(request.args.get("place", "")))
    return Response(drawing.svg, mimetype="image/svg+xml", headers={"Content-Security-Policy": POLICY})


@page.route("/<int:asset_id>", methods=["GET", "POST"])
def show(asset_id: int) -> ResponseReturnValue:
    """One picture: large, its words, its addresses, where it is used."""
    asset = get_asset(asset_id)
    if request.method == "GET":
        return _show_asset(asset, {"name": asset.name, "alt": asset.alt}, {})
    try:
        change_asset(asset_id, name=request.form.get("name", ""), alt=request.form.get("alt", ""))
    except InputInvalid as error:
        return _show_asset(asset, request.form, error.fields), 422
    flash("Saved.", "success")
    return redirect(url_for("library.show", asset_id=asset_id), 303)


@page.post("/<int:asset_id>/archive")
def archive(asset_id: int) -> ResponseReturnValue:
    """Takes it out of the library; mails that were sent go on showing it."""
    archive_asset(asset_id)
    flash("Archived. Messages that show it go on showing it.", "success")
    return redirect(url_for("library.index"), 303)


@page.post("/<int:asset_id>/restore")
def restore(asset_id: int) -> ResponseReturnValue:
    """Brings it back."""
    restore_asset(asset_id)
    flash("The picture is in the library again.", "success")
    return redirect(url_for("library.show", asset_id=asset_id), 303)


@page.get("/<int:asset_id>/thumbnail")
def thumbnail(asset_id: int) -> Response:
    """The small picture of the grid."""
    response = Response(get_asset(asset_id).thumbnail, mimetype="image/webp")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = "private, max-age=86400"
    return response


@page.get("/<int:asset_id>/download/<ending>")
def download(asset_id: int, ending: str) -> Response:
    """The file itself."""
    return send_picture(get_asset(asset_id), ending, is_download=True)


@page.route("/choose/<int:campaign_id>", methods=["GET", "POST"])
def choose(campaign_id: int) -> ResponseReturnValue:
    """Choosing a picture for a place in a campaign's content; works without script."""
    path = request.values.get("block", "")
    campaign = get_open_draft(campaign_id)
    back = url_for("campaign_wizard.content", campaign_id=campaign_id, _anchor="block-" + path.replace(".", "-"))
    if request.method == "GET":
        crumbs = [("Campaigns", url_for("campaigns.index")), (campaign.name, back)]
        return _show_choice(url_for("library.choose", campaign_id=campaign_id), crumbs, "campaign", block=path)
    content = content_of(campaign).model_dump(mode="json")
    try:
        asset = _chosen()
        filled = fill_image(content, path, url=asset_url(asset), alt=asset.alt)
        change_content(campaign_id, filled, made_by=current_user.name, note=f"Picture “{asset.name}”")
    except (InputInvalid, Conflict) as error:
        flash(f"The picture was not taken over. {error.detail}", "danger")
    return redirect(back, 303)


@page.route("/choose/post/<int:post_id>", methods=["GET", "POST"])
def choose_for_post(post_id: int) -> ResponseReturnValue:
    """Choosing the picture of a post; works without script."""
    post = get_post(post_id)
    back = url_for("posts.show", post_id=post_id, _anchor="field-asset_id")
    if request.method == "GET":
        name = f"{get_network(post.network).label} post"
        crumbs = [("Calendar", url_for("calendar.index")), ("Posts", url_for("posts.index")), (name, back)]
        return _show_choice(url_for("library.choose_for_post", post_id=post_id), crumbs, "post")
    try:
        asset = _chosen()
        change_post_picture(post_id, asset.id)
    except (InputInvalid, Conflict) as error:
        flash(f"The picture was not taken over. {error.detail}", "danger")
    else:
        flash(f"“{asset.name}” goes with the post, and its alt text.", "success")
    return redirect(back, 303)


def _chosen() -> Asset:
    asset = find_asset(read_id(request.form.get("asset")))
    if asset is None:
        raise InputInvalid({"asset": "Choose one of the pictures."})
    return asset


def _show_choice(here: str, crumbs: list[tuple[str, str]], noun: str, *, block: str = "") -> str:
    wanted = _filter()
    listed = list_assets(wanted, before_id=read_id(request.args.get("older")), with_thumbnails=True)
    older = listed[-1].id if listed and list_assets(wanted, before_id=listed[-1].id, limit=1) else None
    kept = {"block": block} if block else {}
    return render_template(
        "library/choose.html",
        assets=listed,
        wanted=wanted,
        here=here,
        kept=kept,
        crumbs=crumbs,
        noun=noun,
        block=block,
        unsearched_url=f"{here}?{urlencode(kept)}" if kept else here,
        older_url=f"{here}?{urlencode({**kept, **_arguments(wanted), 'older': older})}" if older else None,
    )


def _filter() -> AssetFilter:
    arguments = request.args
    kind, place = arguments.get("kind", ""), arguments.get("place", "")
    return AssetFilter(
        q=" ".join(arguments.get("q", "").split())[:100],
        kind=kind if kind in ASSET_KINDS else "",
        place=place if place in {one.key for one in PLACES} else "",
        is_archived=arguments.get("archived") == "1",
    )


def _arguments(wanted: AssetFilter) -> dict[str, Any]:
    values = {"q": wanted.q, "kind": wanted.kind, "place": wanted.place, "archived": "1" if wanted.is_archived else ""}
    return {key: value for key, value in values.items() if value}


def _show_upload(values: Any, errors: dict[str, str]) -> str:
    return render_template("library/upload.html", values=values, errors=errors)


def _show_asset(asset: Asset, values: Any, errors: dict[str, str]) -> str:
    again = dict(asset.design) | {"places": asset.place, "alt": asset.alt} if asset.design else None
    contrasts = draw(Design.model_validate(asset.design), get_place(asset.place)).contrasts if asset.design else []
    return render_template(
        "library/show.html",
        asset_row=asset,
        ending="png" if asset.kind == "drawn" else ENDINGS[asset.media_type],
        values=values,
        errors=errors,
        contrasts=contrasts,
        again_url=url_for("library.draw_picture", **again) if again else None,
        place=next((one for one in PLACES if one.key == asset.place), None),
        campaigns=list_campaigns_with(asset),
        may_change=has_role("marketer"),
    )


def _show_draw(values: MultiDict[str, str], errors: dict[str, str]) -> str:
    return render_template(
        "library/draw.html",
        layouts=[(key, one[0], one[1]) for key, one in LAYOUTS.items()],
        palettes=[(key, one[0]) for key, one in PALETTES.items()],
        all_places=[(one.key, f"{one.label}, {one.size}") for one in PLACES],
        may_change=has_role("marketer"),
        **_drawn(values, errors),
    )


def _drawn(values: MultiDict[str, str], errors: dict[str, str]) -> dict[str, Any]:
    design_values = _design_values(values)
    keys = [one.key for one in PLACES if one.key in values.getlist("places")] or [EMAIL_HEADER.key]
    drawings = []
    if not set(errors) - {"alt", "places"}:
        drawings = [draw(read_design(design_values), get_place(key)) for key in keys]
    return {"values": values, "errors": errors, "drawings": drawings, "design": design_values, "chosen": keys}


def _draw_problems(values: MultiDict[str, str]) -> dict[str, str]:
    try:
        read_design(_design_values(values))
    except InputInvalid as error:
        return error.fields
    return {}


def _design_values(values: MultiDict[str, str]) -> dict[str, str]:
    return {key: values[key] for key in Design.model_fields if key in values}


def _usual_design() -> dict[str, Any]:
    brand = get_brand()
    return {
        "headline": (brand.offer or "Something good is here").split("\n")[0][:60],
        "sub": str(brand.proof_points[0])[:120] if brand.proof_points else "Say in one line why it matters.",
        "call": "See it",
        "name": brand.company[:40],
        "accent": brand.accent_color,
        "layout": "orbit",
        "palette": "night",
        "places": list(USUAL_PLACES),
    }


def _name_of(filename: str | None) -> str:
    words = (filename or "").replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return " ".join(words.replace("_", " ").replace("-", " ").split())[:100]
