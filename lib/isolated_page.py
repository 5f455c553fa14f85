"""Headers under which somebody else's HTML can do nothing: no script, no form, no origin, no frame inside."""

from __future__ import annotations

POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src {images}; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
OWN_IMAGES = "data:"
ALL_IMAGES = "https: http: data:"


def isolating_headers(*, has_images: bool = False, own_pictures: str = "") -> dict[str, str]:
    """The headers. Images of other sites are loaded only where the reader asked for them.

    `own_pictures` is the address before those of LUX's own library, which nobody else learns of.
    """
    images = ALL_IMAGES if has_images else f"{OWN_IMAGES} {own_pictures}".strip()
    return {
        "Content-Security-Policy": POLICY.format(images=images),
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex, nofollow",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
