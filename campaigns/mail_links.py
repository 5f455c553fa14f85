"""Where a mail may lead: which addresses are fit to stand in one, and the paths of LUX's own links."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from lib.merge_tags import TAG
from lib.signed_links import LinkSigner

LINK_SCHEMES = ("http", "https", "mailto", "tel")
WEB_SCHEMES = ("http", "https")
OPEN_PATH = "/o/"
CLICK_PATH = "/c/"
UNSUBSCRIBE_PATH = "/u/"
PREFERENCES_PATH = "/p/"
VIEW_PATH = "/v/"
CONFIRM_PATH = "/y/"
# The kinds of signed ids. A number here is in millions of delivered mails: never change one.
OPEN, CLICK, UNSUBSCRIBE, PREFERENCES, VIEW, TEST_UNSUBSCRIBE, CONFIRM, CLICK_ID = 1, 2, 3, 4, 5, 6, 7, 8

_UNFIT = re.compile('[\\s\x00-\x20\x7f-\xa0\u2028\u2029<>"`\\\\]')


def make_link_signer(secrets: tuple[str, ...]) -> LinkSigner:
    """The signer of all links in mail, from SESSION_SECRET and the secrets before it."""
    return LinkSigner(secrets, "lux mail links")


def find_url_problem(url: str, *, schemes: tuple[str, ...] = LINK_SCHEMES) -> str | None:
    """Half a sentence on why this address cannot stand in a mail, or None: “The button's address” + problem."""
    if not url:
        return "is missing."
    bare = TAG.sub("x", url)
    if _UNFIT.search(bare) or "{{" in bare or "}}" in bare:
        return "has characters that no address may hold."
    try:
        parts = urlsplit(bare)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "cannot be read as an address."
    if parts.scheme.lower() not in schemes:
        return f"must begin with {', '.join(f'{scheme}:' for scheme in schemes)}."
    if parts.scheme.lower() in ("mailto", "tel"):
        return None if parts.path else "is missing."
    if not host or ("." not in host.strip(".") and host != "localhost"):
        return "names no site."
    if parts.username is not None:
        return "must not carry a user name or password."
    if "{{" in url[: len(parts.scheme) + 3 + len(parts.netloc)]:
        return "must name its site itself; a merge tag may stand after the site only."
    return None
