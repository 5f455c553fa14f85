"""The public addresses of pictures: what mails and posts show. No session, cacheable for ever, nothing in them runs."""

from __future__ import annotations

from flask import Blueprint, Response, request

from creative.assets import find_public_asset
from errors import NotFound
from lib.pictures import ENDINGS
from models import Asset

page = Blueprint("media", __name__)

ONE_YEAR_SECONDS = 31_536_000
POLICY = "sandbox; default-src 'none'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


@page.get("/<token>.<ending>")
def show(token: str, ending: str) -> Response:
    """The picture as it is; of a drawn one its PNG, or its SVG by that ending."""
    asset = find_public_asset(token)
    if asset is None:
        raise NotFound("There is no such picture.")
    return send_picture(asset, ending)


def send_picture(asset: Asset, ending: str, *, is_download: bool = False) -> Response:
    """The bytes under headers that let nothing run, wherever they are opened. Raises NotFound for another ending."""
    if ending == ENDINGS[asset.media_type]:
        content, media_type = asset.content, asset.media_type
    elif ending == "png" and asset.png is not None:
        content, media_type = asset.png, "image/png"
    else:
        raise NotFound("There is no such picture.")
    response = Response(content, mimetype=media_type)
    way = "attachment" if is_download else "inline"
    response.headers["Content-Disposition"] = f'{way}; filename="{file_name(asset)}.{ending}"'
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["X-Robots-Tag"] = "noindex"
    if not is_download:
        response.cache_control.public = True
        response.cache_control.max_age = ONE_YEAR_SECONDS
        response.cache_control.immutable = True
        response.set_etag(f"{asset.digest[:32]}-{ending}")
        response.make_conditional(request)
    return response


def file_name(asset: Asset) -> str:
    """The asset's name as that of a file: letters, digits and dashes alone."""
    words = "".join(one if one.isascii() and one.isalnum() else " " for one in asset.name.lower()).split()
    return "-".join(words)[:60] or "picture"
