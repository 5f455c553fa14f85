"""How a mail looks and who signs it: the brand and the settings as plain values, frozen when a campaign launches."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parseaddr

from campaigns.brand import DEFAULT_ACCENT, get_brand
from config import Settings, current_settings

HEX_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class MailBrand:
    """Sender, company, address and colour of a mail, and where LUX is reached from outside."""

    sender_name: str = ""
    sender_address: str = ""
    company: str = ""
    postal_address: str = ""
    accent_color: str = DEFAULT_ACCENT
    public_url: str = "http://127.0.0.1:5000"

    @property
    def sender_domain(self) -> str:
        return self.sender_address.rpartition("@")[2]

    @property
    def accent(self) -> str:
        return self.accent_color if HEX_COLOUR.fullmatch(self.accent_color) else DEFAULT_ACCENT

    @property
    def text_on_accent(self) -> str:
        """Black or white, whichever reads better on the accent colour."""
        return "#ffffff" if _luminance(self.accent) < 0.183 else "#000000"

    @property
    def link_color(self) -> str:
        """The accent where it reads on white, else the default."""
        return self.accent if _luminance(self.accent) < 0.183 else DEFAULT_ACCENT


def get_mail_brand(settings: Settings | None = None) -> MailBrand:
    """The brand as it is now."""
    settings = settings or current_settings()
    brand = get_brand()
    name, address = parseaddr(settings.mail_from or "")
    return MailBrand(
        sender_name=name or brand.company,
        sender_address=address,
        company=brand.company,
        postal_address=settings.postal_address or "",
        accent_color=brand.accent_color,
        public_url=settings.lux_public_url,
    )


def _luminance(colour: str) -> float:
    """Relative luminance by WCAG 2."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
