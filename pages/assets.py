"""Serves everything in static/ under one build hash, compressed once at start and cacheable for ever.

The stylesheets in static/css/ that every page needs travel as one file, css/app.css;
a page's own stylesheet (css/pages/<area>.css) stays a file of its own. To add a
stylesheet or a script, put the file into static/: nothing has to be listed here.
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, current_app, request, url_for

STATIC = Path(__file__).resolve().parent.parent / "static"
BUNDLE = "css/app.css"
BUNDLE_FIRST = ("css/tokens.css", "css/base.css", "css/shell.css")
COMPRESSED = {".css", ".js", ".svg", ".json", ".txt", ".md"}
MIMETYPES = {".js": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml"}
ONE_YEAR_SECONDS = 31_536_000

page = Blueprint("assets", __name__)


@dataclass(frozen=True)
class Asset:
    mimetype: str
    body: bytes
    gzipped: bytes | None


@dataclass(frozen=True)
class AssetTree:
    """All the files of static/ as they were when the app started."""

    build: str
    stamp: float
    files: dict[str, Asset]


def read_tree(folder: Path = STATIC) -> AssetTree:
    """Reads static/, joins the shared stylesheets and names the whole by its content."""
    bodies = {path.relative_to(folder).as_posix(): path.read_bytes() for path in _list_files(folder)}
    bodies[BUNDLE] = b"\n".join(bodies[name] for name in _list_bundled(bodies))
    digest = hashlib.sha256()
    for name in sorted(bodies):
        digest.update(name.encode() + b"\0" + bodies[name] + b"\0")
    files = {name: _make_asset(name, body) for name, body in bodies.items()}
    return AssetTree(build=digest.hexdigest()[:12], stamp=_newest_change(folder), files=files)


def _list_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _newest_change(folder: Path) -> float:
    return max((path.stat().st_mtime for path in _list_files(folder)), default=0.0)


def _list_bundled(bodies: dict[str, bytes]) -> list[str]:
    components = sorted(name for name in bodies if name.startswith("css/components/"))
    return [*(name for name in BUNDLE_FIRST if name in bodies), *components]


def _make_asset(name: str, body: bytes) -> Asset:
    suffix = Path(name).suffix
    mimetype = MIMETYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    gzipped = gzip.compress(body, 9, mtime=0) if suffix in COMPRESSED else None
    return Asset(mimetype=mimetype, body=body, gzipped=gzipped)


def init_assets(app: Flask) -> None:
    """Reads static/ once and gives templates `asset(path)`, the hashed address of a file."""
    app.extensions["lux_assets"] = read_tree()
    app.jinja_env.globals["asset"] = asset_url


def asset_url(path: str) -> str:
    """The address of a file in static/, for example asset_url("css/app.css")."""
    tree = _current_tree()
    if path not in tree.files:
        raise LookupError(f"static/{path} does not exist")
    return url_for("assets.send_asset", build=tree.build, path=path)


def _current_tree() -> AssetTree:
    tree: AssetTree = current_app.extensions["lux_assets"]
    if current_app.debug and tree.stamp != _newest_change(STATIC):
        tree = read_tree()
        current_app.extensions["lux_assets"] = tree
    return tree


@page.get("/<build>/<path:path>")
def send_asset(build: str, path: str) -> Response:
    tree = _current_tree()
    asset = tree.files.get(path)
    if asset is None:
        abort(404)
    use_gzip = asset.gzipped is not None and "gzip" in request.headers.get("Accept-Encoding", "")
    body = asset.gzipped if use_gzip and asset.gzipped is not None else asset.body
    response = Response(body, mimetype=asset.mimetype)
    if use_gzip:
        response.headers["Content-Encoding"] = "gzip"
    if asset.gzipped is not None:
        response.headers["Vary"] = "Accept-Encoding"
    response.cache_control.public = True
    if build == tree.build:
        response.cache_control.max_age = ONE_YEAR_SECONDS
        response.cache_control.immutable = True
    else:
        response.cache_control.no_cache = True
    return response
