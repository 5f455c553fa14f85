"""The fields of a brief as a form asks for them; a brief declares each by an Ask beside its type.

To add a kind of field, add it to Kind and to templates/agents/_brief.html.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, StringConstraints
from pydantic_core import PydanticUndefined

from campaigns.mail_links import find_url_problem
from lib.clean_text import clean_text

Kind = Literal["line", "text", "choice", "segment", "campaign", "picture", "number", "link"]


@dataclass(frozen=True)
class Ask:
    """How a form asks for a value: label, hint, and for choices their words.

    `is_foreign`: text that strangers wrote, whose addresses no result may repeat. `is_for_code`: text that code reads
    and the model never sees.
    """

    label: str
    hint: str = ""
    kind: Kind = "line"
    choices: tuple[tuple[str, str], ...] = ()
    rows: int = 3
    is_foreign: bool = False
    is_for_code: bool = False


@dataclass(frozen=True)
class BriefField:
    """One field of a brief's form."""

    name: str
    ask: Ask
    is_required: bool
    default: str


def list_brief_fields(brief: type[BaseModel]) -> list[BriefField]:
    """The fields of a brief that a form asks for, in their order."""
    found = []
    for name, info in brief.model_fields.items():
        ask = next((one for one in info.metadata if isinstance(one, Ask)), None)
        if ask is not None:
            default = "" if info.default in (None, PydanticUndefined) else str(info.default)
            found.append(BriefField(name, ask, info.is_required(), default))
    return found


def name_fields(brief: type[BaseModel], claim: Callable[[Ask], bool]) -> set[str]:
    """The names of a brief's fields of which something is true."""
    return {field.name for field in list_brief_fields(brief) if claim(field.ask)}


def cleaned(value: object) -> object:
    """A text without what a browser or a model leaves in it: control characters, other line ends, blanks around it."""
    return clean_text(value).replace("\r\n", "\n").strip() if isinstance(value, str) else value


def nothing(value: object) -> object:
    """An empty field as no value."""
    return None if value == "" else value


def web_link(value: str) -> str:
    """An address of the web, with https:// before it where it was left out. Raises ValueError."""
    if value and "://" not in value and "." in value.split("/")[0]:
        value = f"https://{value}"
    problem = find_url_problem(value, schemes=("http", "https")) if value else None
    if problem:
        raise ValueError(f"This address {problem}")
    return value


def one_line(value: str) -> str:
    """A text of one line. Raises ValueError."""
    if "\n" in value or "\r" in value:
        raise ValueError("must be one line")
    return value


def choices_of(words: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """The choices of a field from their keys and words."""
    return tuple(words.items())


Clean = BeforeValidator(cleaned)
# What models and people write, by size; a longer text is refused with a sentence, never cut.
Name = Annotated[str, Clean, StringConstraints(min_length=2, max_length=80), AfterValidator(one_line)]
Key = Annotated[str, Clean, StringConstraints(min_length=1, max_length=40), AfterValidator(one_line)]
Line = Annotated[str, Clean, StringConstraints(min_length=2, max_length=200), AfterValidator(one_line)]
Words = Annotated[str, Clean, StringConstraints(min_length=2, max_length=700)]
Prose = Annotated[str, Clean, StringConstraints(min_length=2, max_length=6000)]
# What a person may tell in a brief.
Told = Annotated[str, Clean, StringConstraints(max_length=3000)]
ToldLine = Annotated[str, Clean, StringConstraints(max_length=300)]
Link = Annotated[str, Clean, StringConstraints(max_length=1000), AfterValidator(web_link)]
RowId = Annotated[int | None, BeforeValidator(nothing)]


def lines_of(text: Any) -> list[str]:
    """The lines of a told text, without their bullets and without empty ones."""
    return [line.strip().lstrip("-*•– ").strip() for line in str(text).splitlines() if line.strip(" -*•–\t")]
