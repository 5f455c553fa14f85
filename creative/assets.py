"""The assets of the library: added, found, renamed, archived, and the public address of each."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Text, func, or_, select
from sqlalchemy.orm import undefer

from config import current_settings
from errors import InputInvalid, NotFound
from extensions import db
from lib.clean_text import clean_text, one_line
from lib.pictures import ENDINGS, Picture, PictureRefused, read_upload
from models import Asset, Campaign

PUBLIC_PATH = "/media/"
LONGEST_NAME = 120
LONGEST_ALT = 300
# Their small pictures come within the page, which may weigh so much and no more.
PAGE_SIZE = 8
TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
GONE = "There is no such picture."
NO_ALT = "Say in one sentence what the picture shows: people who cannot see it hear this."


@dataclass(frozen=True)
class AssetFilter:
    """Which assets are wanted: words of the name or alt text, a kind, a place."""

    q: str = ""
    kind: str = ""
    place: str = ""
    is_archived: bool = False


def get_asset(asset_id: int) -> Asset:
    """The asset, archived or not. Raises NotFound."""
    asset = db.session.get(Asset, asset_id)
    if asset is None:
        raise NotFound(GONE)
    return asset


def find_asset(asset_id: int | None) -> Asset | None:
    """The asset, or None for no id and for one that is not there."""
    return db.session.get(Asset, asset_id) if asset_id is not None else None


def list_assets(
    wanted: AssetFilter = AssetFilter(),
    *,
    before_id: int | None = None,
    limit: int = PAGE_SIZE,
    with_thumbnails: bool = False,
) -> list[Asset]:
    """The newest first; `before_id` goes on where a page ended."""
    query = _filtered(wanted).order_by(Asset.id.desc()).limit(limit)
    if with_thumbnails:
        query = query.options(undefer(Asset.thumbnail))
    if before_id is not None:
        query = query.where(Asset.id < before_id)
    return list(db.session.scalars(query))


def count_assets(wanted: AssetFilter = AssetFilter()) -> int:
    return db.session.scalar(select(func.count()).select_from(_filtered(wanted).subquery())) or 0


def find_public_asset(token: str) -> Asset | None:
    """The asset of a public address with its content; archived ones stay, as mails that were sent show them."""
    if not TOKEN.fullmatch(token):
        return None
    contents = (undefer(Asset.content), undefer(Asset.png))
    return db.session.scalar(select(Asset).filter_by(public_token=token).options(*contents))


def asset_url(asset: Asset, *, is_svg: bool = False) -> str:
    """The public address, the same for ever; of a drawn picture that of its PNG, which mail and networks take."""
    ending = "png" if asset.kind == "drawn" and not is_svg else ENDINGS[asset.media_type]
    return f"{current_settings().lux_public_url}{PUBLIC_PATH}{asset.public_token}.{ending}"


def read_picture(content: bytes) -> Picture:
    """The picture of a file from outside. Raises InputInvalid."""
    try:
        return read_upload(content)
    except PictureRefused as error:
        raise InputInvalid({"file": str(error)}) from error


def list_campaigns_with(asset: Asset, limit: int = 10) -> list[Campaign]:
    """The campaigns whose content shows the picture, the newest first."""
    shows = Campaign.content.cast(Text).contains(f"{PUBLIC_PATH}{asset.public_token}.", autoescape=True)
    return list(db.session.scalars(select(Campaign).where(shows).order_by(Campaign.id.desc()).limit(limit)))


def draft_asset(
    *,
    name: str,
    alt: str,
    picture: Picture,
    made_by: str,
    svg: str | None = None,
    place: str = "",
    design: dict[str, Any] | None = None,
    contrast: float | None = None,
    proposal_id: int | None = None,
    created_by_id: int | None = None,
) -> Asset:
    """A new asset within the caller's transaction; with `svg` a drawn one, its picture beside. Raises InputInvalid."""
    content = picture.content if svg is None else svg.encode()
    asset = Asset(
        name=checked_name(name),
        kind="upload" if svg is None else "drawn",
        place=place,
        media_type=picture.media_type if svg is None else "image/svg+xml",
        width=picture.width,
        height=picture.height,
        byte_count=len(picture.content),
        alt=checked_alt(alt),
        public_token=secrets.token_urlsafe(16),
        digest=hashlib.sha256(content).hexdigest(),
        content=content,
        png=None if svg is None else picture.content,
        thumbnail=picture.thumbnail,
        design=design,
        contrast=contrast,
        made_by=made_by,
        proposal_id=proposal_id,
        created_by_id=created_by_id,
    )
    db.session.add(asset)
    db.session.flush()
    return asset


def add_asset(
    *, name: str, alt: str, picture: Picture, made_by: str, created_by_id: int | None = None, place: str = ""
) -> Asset:
    """A new asset from an upload; commits. The same picture twice is the same asset. Raises InputInvalid."""
    checked_name(name), checked_alt(alt)
    digest = hashlib.sha256(picture.content).hexdigest()
    known = db.session.scalar(
        select(Asset).where(Asset.digest == digest, Asset.archived_at.is_(None)).order_by(Asset.id)
    )
    if known is not None:
        return known
    asset = draft_asset(name=name, alt=alt, picture=picture, made_by=made_by, created_by_id=created_by_id, place=place)
    db.session.commit()
    return asset


def change_asset(asset_id: int, *, name: str, alt: str) -> Asset:
    """Changes name and alt text; commits. Raises InputInvalid, NotFound."""
    asset = get_asset(asset_id)
    asset.name, asset.alt = checked_name(name), checked_alt(alt)
    db.session.commit()
    return asset


def archive_asset(asset_id: int) -> Asset:
    """Takes the asset out of the library; its public address goes on, as sent mails show it. Commits."""
    asset = get_asset(asset_id)
    asset.archived_at = asset.archived_at or datetime.now(UTC)
    db.session.commit()
    return asset


def restore_asset(asset_id: int) -> Asset:
    """Brings an archived asset back; commits. Raises NotFound."""
    asset = get_asset(asset_id)
    asset.archived_at = None
    db.session.commit()
    return asset


def checked_name(name: str) -> str:
    """The name on one line. Raises InputInvalid."""
    cleaned = one_line(clean_text(name)).strip()
    if not cleaned:
        raise InputInvalid({"name": "Give the picture a name."})
    return cleaned[:LONGEST_NAME]


def checked_alt(alt: str) -> str:
    """The alt text on one line. Raises InputInvalid where there is none or it is too long."""
    cleaned = one_line(clean_text(alt)).strip()
    if not cleaned:
        raise InputInvalid({"alt": NO_ALT})
    if len(cleaned) > LONGEST_ALT:
        raise InputInvalid({"alt": f"At most {LONGEST_ALT} characters: one or two sentences are heard to the end."})
    if re.fullmatch(r"(?i)[\w-]+\.(png|jpe?g|gif|webp|svg)", cleaned):
        raise InputInvalid({"alt": "This is the name of a file. " + NO_ALT})
    return cleaned


def _filtered(wanted: AssetFilter) -> Any:
    query = select(Asset).where(Asset.archived_at.is_not(None) if wanted.is_archived else Asset.archived_at.is_(None))
    if wanted.kind:
        query = query.where(Asset.kind == wanted.kind)
    if wanted.place:
        query = query.where(Asset.place == wanted.place)
    for word in wanted.q.split()[:8]:
        query = query.where(
            or_(Asset.name.icontains(word, autoescape=True), Asset.alt.icontains(word, autoescape=True))
        )
    return query
