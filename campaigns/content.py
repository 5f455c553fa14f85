"""What a campaign says, as typed values: subject, sender, blocks, text part. Nothing is rendered here.

To add a block, add a model with its `kind` here, list it in Block, and give it a look in blocks.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from errors import InputInvalid
from lib.clean_text import clean_text
from lib.email_addresses import AddressInvalid, canonical_address

LONGEST_LINE = 300
LONGEST_TEXT = 20_000
LONGEST_ADDRESS = 2_000
MOST_BLOCKS = 100
Network = Literal[
    "website", "facebook", "instagram", "linkedin", "x", "youtube", "tiktok", "whatsapp", "pinterest", "bluesky"
]
NETWORKS: tuple[str, ...] = get_args(Network)
_HEADER_BREAKS = re.compile("[\r\n\x0b\x0c\x00\x1c-\x1e\x85\u2028\u2029]")


def _clean(value: object) -> object:
    return clean_text(value).replace("\r\n", "\n") if isinstance(value, str) else value


def _one_header_line(value: object) -> object:
    """A line that becomes a header: refused, not repaired, when it holds a line break of any kind."""
    if not isinstance(value, str):
        return value
    if _HEADER_BREAKS.search(value):
        raise ValueError("This must be one line: take the line break out.")
    return clean_text(value).strip()


def _reply_address(value: str) -> str:
    if not value:
        return ""
    try:
        return canonical_address(value)
    except AddressInvalid as error:
        raise ValueError("This is not an e-mail address that replies could go to.") from error


HeaderLine = Annotated[str, BeforeValidator(_one_header_line), Field(max_length=LONGEST_LINE)]
Line = Annotated[str, BeforeValidator(_clean), Field(max_length=LONGEST_LINE)]
LongText = Annotated[str, BeforeValidator(_clean), Field(max_length=LONGEST_TEXT)]
Address = Annotated[str, BeforeValidator(_one_header_line), Field(max_length=LONGEST_ADDRESS)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Heading(_Part):
    """A line that stands out."""

    kind: Literal["heading"] = "heading"
    text: Line = ""
    level: Literal[1, 2, 3] = 2


class Text(_Part):
    """Paragraphs: blank lines part them; **bold**, *italic*, [label](address) and lists with -."""

    kind: Literal["text"] = "text"
    text: LongText = ""


class Button(_Part):
    """One thing to do."""

    kind: Literal["button"] = "button"
    label: Line = ""
    url: Address = ""


class Image(_Part):
    """An image by its address, with words for those who do not see it."""

    kind: Literal["image"] = "image"
    url: Address = ""
    alt: Line = ""
    link: Address = ""


class Divider(_Part):
    """A thin line between two thoughts."""

    kind: Literal["divider"] = "divider"


class Column(_Part):
    """One of two or three things side by side."""

    heading: Line = ""
    text: LongText = ""
    image_url: Address = ""
    image_alt: Line = ""
    label: Line = ""
    url: Address = ""


class Columns(_Part):
    """Two or three things side by side; one under the other on a phone."""

    kind: Literal["columns"] = "columns"
    columns: list[Column] = Field(default_factory=lambda: [Column(), Column()], min_length=2, max_length=3)


class SocialLink(_Part):
    """A place where the sender can be found."""

    network: Network = "website"
    url: Address = ""


class Social(_Part):
    """Where else the sender can be found."""

    kind: Literal["social"] = "social"
    links: list[SocialLink] = Field(default_factory=lambda: [SocialLink()], max_length=len(NETWORKS))


class Footer(_Part):
    """Words above the postal address and the unsubscribe link, which every message has by itself."""

    kind: Literal["footer"] = "footer"
    text: LongText = ""


Block = Annotated[
    Heading | Text | Button | Image | Divider | Columns | Social | Footer,
    Field(discriminator="kind"),
]
BLOCKS: tuple[type[_Part], ...] = (Heading, Text, Button, Image, Columns, Divider, Social, Footer)


class Content(_Part):
    """Everything that a campaign says. An empty `text` means: made from the blocks."""

    subject: HeaderLine = ""
    preheader: HeaderLine = ""
    from_name: HeaderLine = ""
    reply_to: Annotated[HeaderLine, AfterValidator(_reply_address)] = ""
    blocks: list[Block] = Field(default_factory=list, max_length=MOST_BLOCKS)
    text: LongText = ""
    track_opens: bool = True
    track_clicks: bool = True


def read_content(value: Mapping[str, Any]) -> Content:
    """The value as content. Raises InputInvalid, its fields named by their path, such as "blocks.2.url"."""
    try:
        return Content.model_validate(value)
    except ValidationError as error:
        raise InputInvalid({_path(one): _sentence(one) for one in reversed(error.errors())}) from error


def walk_texts(content: Content) -> Iterator[tuple[str, str]]:
    """Every text of the content with its path: for merge tags, and for a difference between two versions."""
    dumped = content.model_dump(mode="json")
    for name in ("subject", "preheader", "from_name", "reply_to"):
        yield name, dumped[name]
    yield from _walk("blocks", dumped["blocks"])
    yield "text", dumped["text"]


def walk_addresses(content: Content) -> Iterator[tuple[str, str]]:
    """Every address that a reader could be led to or that an image is loaded from, with its path."""
    for path, text in walk_texts(content):
        name = path.rsplit(".", 1)[-1]
        if name in ("url", "link", "image_url"):
            yield path, text
        elif name == "text" and path.startswith("blocks."):
            for match in MARKED_LINK.finditer(text):
                yield path, match[1]


MARKED_LINK = re.compile(r"\[[^\]\n]{1,300}\]\(\s*<?([^)\s>]{0,2000})>?[^)\n]{0,200}\)")


def _walk(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in ("kind", "network", "level"):
                yield from _walk(f"{path}.{name}", inner)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _walk(f"{path}.{at}", inner)
    elif isinstance(value, str):
        yield path, value


def _path(error: ErrorDetails) -> str:
    places = error["loc"]
    # A discriminated union names the block's kind after its number; the form's fields do not.
    parts = [str(place) for at, place in enumerate(places) if not (at == 2 and places[0] == "blocks")]
    return ".".join(parts) or "form"


def _sentence(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context.get("error", error["msg"]))
    if error["type"] == "string_too_long" or (error["type"] == "too_long" and context.get("field_type") != "List"):
        return f"Keep this within {context['max_length']:,} characters."
    if error["type"] == "too_long":
        return f"There can be at most {context['max_length']} of these."
    if error["type"] == "extra_forbidden":
        return "LUX does not know this part of a campaign."
    return "LUX cannot use this value here."
