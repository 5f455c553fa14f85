"""What code finds in an e-mail draft: links, merge tags, figures, words, subjects. A failed check holds a draft back.

To add a check, write a function that takes a Draft and list it in CHECKS.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from agents.base import Check, Context
from agents.parts.checks import (
    NUMBER,
    ORDERS,
    SUPERLATIVES,
    find_words,
    in_order,
    is_bare_host,
    is_small_count,
    list_numbers,
    plain_number,
)
from agents.tasks.campaign.brief import CampaignBrief, CampaignWords, list_texts
from campaigns.content import MARKED_LINK
from campaigns.merge_values import is_merge_value
from config import current_settings
from lib.merge_tags import find_merge_problems, list_merge_tags
from lib.readability import measure_reading_ease
from lib.web_addresses import find_addresses, host_of

SUBJECT_SHORT, SUBJECT_LONG, SUBJECT_CUT = 15, 60, 90
PREHEADER_SHORT, PREHEADER_LONG = 30, 130
WORDS_LONG = 450
EASE_HARD = 45.0
SPAM_WORDS = (
    "act now", "amazing deal", "as seen on", "best price", "buy now", "cash bonus", "click here", "congratulations",
    "double your", "earn money", "fast cash", "free gift", "free money", "guaranteed winner", "limited time only",
    "lowest price", "make money", "miracle", "no obligation", "once in a lifetime", "order now", "risk free",
    "risk-free", "special promotion", "this is not spam", "urgent", "winner", "you have been selected", "100% free",
)  # fmt: skip
_TAG = re.compile(r"\{\{[^{}]*\}\}")


@dataclass(frozen=True)
class Draft:
    """What is looked at: the brief, what was read, and the words."""

    brief: CampaignBrief
    context: Context
    words: CampaignWords

    @property
    def copy(self) -> str:
        return "\n".join(text for _, text in list_texts(self.words))

    @property
    def body(self) -> str:
        return "\n\n".join(block.text for block in self.words.blocks if block.text)

    @property
    def told(self) -> str:
        """Everything that people have told LUX: what may be stated as a fact."""
        facts, brief = self.context.facts, self.brief
        parts = [brief.goal, brief.offer, brief.must_include, str(facts["brand"]), str(facts.get("today", ""))]
        return " ".join(parts).lower()


def check_campaign_words(brief: CampaignBrief, context: Context, words: CampaignWords) -> list[Check]:
    """Every check of the draft, those that hold it back first."""
    draft = Draft(brief, context, words)
    found = [check(draft) for check in CHECKS]
    return in_order(found)


def _check_links(draft: Draft) -> Check:
    allowed = set(draft.context.facts["allowed_links"])
    hosts = {host_of(link) for link in allowed}
    foreign = [block.url for block in draft.words.blocks if block.url and block.url not in allowed]
    foreign += [match[1] for match in MARKED_LINK.finditer(draft.copy) if match[1] not in allowed]
    bare_copy = MARKED_LINK.sub(" ", draft.copy)
    foreign += [one for one in find_addresses(bare_copy) if one not in allowed and not is_bare_host(one, hosts)]
    if foreign:
        shown = ", ".join(dict.fromkeys(link[:80] for link in foreign))
        return Check("links", "Links", "fail", f"Leads to {shown}, which neither the brief nor the brand names.")
    return Check("links", "Links", "pass", "Every link comes from the brief or the brand.")


def _check_button(draft: Draft) -> Check:
    buttons = [block for block in draft.words.blocks if block.kind == "button"]
    broken = [block for block in buttons if not block.label or not block.url]
    if broken:
        return Check("button", "Button", "fail", "A button needs words and a link.")
    if not buttons:
        detail = "There is no button. Add a link to the brief to give readers one thing to do."
        return Check("button", "Button", "warn", detail)
    if len(buttons) > 2:
        return Check("button", "Button", "warn", f"{len(buttons)} buttons compete; one or two are clearer.")
    return Check("button", "Button", "pass", "One clear thing to do." if len(buttons) == 1 else "Two things to do.")


def _check_tags(draft: Draft) -> Check:
    problems = find_merge_problems(draft.copy, is_merge_value)
    if problems:
        return Check("tags", "Merge tags", "fail", " ".join(problems[:3]))
    bare = [tag.name for tag in list_merge_tags(draft.copy, is_merge_value) if not tag.has_fallback]
    if bare:
        detail = f"{{{{{bare[0]}}}}} needs a fallback for people without it, such as {{{{{bare[0]}|there}}}}."
        return Check("tags", "Merge tags", "fail", detail)
    return Check("tags", "Merge tags", "pass", "All known, each with a fallback.")


def _check_must(draft: Draft) -> Check:
    plain = _plain(draft.copy)
    missing = [line for line in draft.brief.must_lines if _plain(line) not in plain]
    if missing:
        return Check("must", "Must include", "fail", f"Missing: {'; '.join(line[:100] for line in missing)}.")
    return Check("must", "Must include", "pass", "Everything the brief asks for is in it.")


def _check_avoided(draft: Draft) -> Check:
    avoided = [str(word) for word in draft.context.facts["brand"]["words_to_avoid"]]
    found = find_words(draft.copy, avoided)
    if found:
        return Check("avoided", "Words to avoid", "fail", f"Uses “{'”, “'.join(found)}”, which the brand avoids.")
    return Check("avoided", "Words to avoid", "pass", "None of the brand's words to avoid.")


def _check_figures(draft: Draft) -> Check:
    known = list_numbers(draft.told)
    said = [match[0].strip() for match in NUMBER.finditer(_TAG.sub(" ", MARKED_LINK.sub(" ", draft.copy)))]
    unknown = [one.rstrip(".,") for one in said if plain_number(one) not in known and not is_small_count(one)]
    if unknown:
        shown = ", ".join(dict.fromkeys(unknown))
        return Check("figures", "Figures", "fail", f"Says {shown}, which neither the brief nor the brand says.")
    return Check("figures", "Figures", "pass", "Every figure is in the brief or the brand.")


def _check_claims(draft: Draft) -> Check:
    told = draft.told
    claims = [claim for claim in find_words(draft.copy, SUPERLATIVES) if claim not in told]
    if claims:
        detail = f"“{'”, “'.join(claims)}” is a claim without a proof point. Add the proof to the brand, or soften it."
        return Check("claims", "Claims", "warn", detail)
    return Check("claims", "Claims", "pass", "No claim without a proof point.")


def _check_subjects(draft: Draft) -> Check:
    subjects = draft.words.subjects
    cut = [subject for subject in subjects if len(subject) > SUBJECT_CUT]
    if cut:
        return Check("subjects", "Subjects", "fail", f"“{cut[0][:40]}…” has {len(cut[0])} characters; 90 is the end.")
    if len({subject.lower() for subject in subjects}) < len(subjects):
        return Check("subjects", "Subjects", "fail", "Two subjects are the same.")
    odd = [s for s in subjects if len(s) > SUBJECT_LONG or len(s) < SUBJECT_SHORT]
    if odd:
        detail = f"“{odd[0]}” has {len(odd[0])} characters; {SUBJECT_SHORT} to {SUBJECT_LONG} show whole on a phone."
        return Check("subjects", "Subjects", "warn", detail)
    return Check("subjects", "Subjects", "pass", f"{len(subjects)} subjects that show whole on a phone.")


def _check_preheader(draft: Draft) -> Check:
    length = len(draft.words.preheader)
    if not PREHEADER_SHORT <= length <= PREHEADER_LONG:
        detail = f"{length} characters; {PREHEADER_SHORT} to {PREHEADER_LONG} fill the line beside the subject."
        return Check("preheader", "Preheader", "warn", detail)
    return Check("preheader", "Preheader", "pass", f"{length} characters.")


def _check_spam(draft: Draft) -> Check:
    found = find_words(draft.copy, SPAM_WORDS)
    shouted: list[str] = re.findall(r"\b[A-Z]{5,}\b", _TAG.sub(" ", draft.copy))
    if found or draft.copy.count("!") > 3 or len(shouted) > 1:
        what = [f"“{word}”" for word in found] + ([f"{shouted[0]} in capitals"] if len(shouted) > 1 else [])
        what += ["many exclamation marks"] if draft.copy.count("!") > 3 else []
        return Check("spam", "Sounds like spam", "warn", f"Filters dislike {', '.join(what)}.")
    return Check("spam", "Sounds like spam", "pass", "Nothing that filters dislike.")


def _check_reading(draft: Draft) -> Check:
    words = len(draft.body.split())
    ease = measure_reading_ease(_TAG.sub("friend", draft.body))
    if words > WORDS_LONG:
        return Check("reading", "Reading", "warn", f"{words} words; most readers stop before {WORDS_LONG}.")
    if ease is not None and ease < EASE_HARD:
        detail = f"Reading ease {ease:.0f} of 100; shorter sentences would help."
        return Check("reading", "Reading", "warn", detail)
    told = f", reading ease {ease:.0f} of 100" if ease is not None else ""
    return Check("reading", "Reading", "pass", f"{words} words{told}.")


def _check_footer(_draft: Draft) -> Check:
    if current_settings().postal_address is None:
        detail = "POSTAL_ADDRESS is not set: sending stays blocked until it is."
        return Check("footer", "Footer", "warn", detail)
    return Check(
        "footer", "Footer", "pass", "Postal address and unsubscribe link stand in every message by themselves."
    )


def _check_audience(draft: Draft) -> Check:
    segment = draft.context.facts["segment"]
    if segment is None:
        return Check("audience", "Audience", "warn", "No segment is chosen yet; choose it here or in the wizard.")
    if not segment["will_receive"]:
        return Check("audience", "Audience", "warn", "Nobody in this segment may be written to now.")
    return Check("audience", "Audience", "pass", f"{segment['will_receive']:,} people will receive it.")


def _check_orders(draft: Draft) -> Check:
    facts = draft.context.facts
    outside = [str((facts["segment"] or {}).get("name", "")), str((facts["segment"] or {}).get("who", ""))]
    outside += [str(row["subject"]) for row in facts["past_campaigns"]]
    outside += [draft.brief.offer, draft.brief.must_include, str(facts["brand"])]
    if any(ORDERS.search(text) for text in outside):
        detail = "Text in the data reads like an order to the model. It was taken as data, and nothing in it was done."
        return Check("orders", "Orders in data", "warn", detail)
    return Check("orders", "Orders in data", "pass", "Nothing in the data tries to give orders.")


CHECKS: tuple[Callable[[Draft], Check], ...] = (
    _check_links,
    _check_button,
    _check_tags,
    _check_must,
    _check_avoided,
    _check_figures,
    _check_claims,
    _check_subjects,
    _check_preheader,
    _check_spam,
    _check_reading,
    _check_footer,
    _check_audience,
    _check_orders,
)


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.lower()).strip()
