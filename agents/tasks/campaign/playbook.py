"""The playbook of e-mail campaigns: whole drafts from brief, brand and data, without a model.

To add a kind of campaign, write a function that takes Material and list it in WRITERS.
"""

from __future__ import annotations

from collections.abc import Callable

from agents.base import Context
from agents.tasks.campaign.brief import CampaignBrief, CampaignWords
from agents.tasks.campaign.material import (
    COUNTS,
    LONGEST_SUBJECT,
    LONGEST_TOPIC,
    Material,
    bullets,
    button,
    choose_subjects,
    closing,
    gather_material,
    greeting,
    heading,
    lower_first,
    make_preheader,
    must_block,
    paragraph,
    sentence,
    shorten,
    text_block,
)


def write_campaign(brief: CampaignBrief, context: Context) -> CampaignWords:
    """A complete, usable draft."""
    material = gather_material(brief, context.facts)
    words = WRITERS[brief.kind](material)
    avoided = [str(word).lower() for word in context.facts["brand"]["words_to_avoid"]]
    return words.model_copy(update={"subjects": choose_subjects(words.subjects, avoided)})


def write_newsletter(material: Material) -> CampaignWords:
    """Several pieces of news, each a paragraph, one way to read on."""
    items = material.items or [*material.about, *material.proofs][:4] or ["What we have been working on"]
    count = COUNTS[len(items)] if len(items) < len(COUNTS) else "several"
    topic = shorten(items[0], LONGEST_TOPIC)
    opening = {
        "formal": "We would like to share with you what is new since our last letter.",
        "playful": "Grab a cup of something nice: here is what happened since we last wrote.",
        "plain": "Here is what is new.",
    }.get(material.tone, "It is good to be in touch again. Here is what is new since we last wrote.")
    return CampaignWords(
        name=f"Newsletter, {material.month}",
        subjects=[
            f"{topic}, and more",
            f"What is new{material.at_company} this {material.month}",
            f"{count.capitalize()} {'thing' if len(items) == 1 else 'things'} from us this {material.month}",
            f"News{material.from_company}: {lower_first(topic)}",
            f"Your {material.month} update{material.from_company}",
        ],
        preheader=make_preheader(items, "A short read with what is new, and one thing to look at."),
        blocks=[
            heading(f"What is new{material.at_company}"),
            text_block(f"{greeting(material)}\n\n{opening}"),
            *(text_block(paragraph(item)) for item in items),
            *must_block(material),
            *button(material, "Read more"),
            text_block(
                f"That is all for now. If you have a question, just reply to this message.\n\n{closing(material)}"
            ),
        ],
    )


def write_offer(material: Material) -> CampaignWords:
    """One offer: what it is, why it is worth it, how to get it."""
    offer = material.items or material.about[:1] or ["Something special for the readers of this letter"]
    topic = shorten(offer[0], LONGEST_TOPIC)
    opening = {
        "formal": "As one of our subscribers, you are among the first to hear of this.",
        "playful": "We have something nice for you, and you hear it first.",
        "plain": "Here is an offer for you.",
    }.get(material.tone, "You are one of our readers, so you hear of this before anybody else.")
    details = [text_block("**What you get**\n\n" + bullets(offer[1:]))] if len(offer) > 1 else []
    reasons = material.proofs or material.about[:2]
    why = [text_block(f"**Why people choose {material.company or 'us'}**\n\n" + bullets(reasons))] if reasons else []
    return CampaignWords(
        name=f"Offer: {topic}",
        subjects=[
            topic,
            f"For our readers: {lower_first(topic)}" if material.items else f"A closer look{material.at_company}",
            "{{first_name|Hello}}, this one is for you",
            f"You are the first to hear{material.from_company}",
            f"An offer{material.from_company} worth a look",
        ],
        preheader=make_preheader(offer[1:] or reasons, "What it is, what it brings you, and how to get it."),
        blocks=[
            heading(shorten(offer[0], 80)),
            text_block(f"{greeting(material)}\n\n{opening} {sentence(offer[0])}"),
            *details,
            *must_block(material),
            *button(material, "See the offer"),
            *why,
            text_block(
                f"Not sure whether it fits? Reply to this message and we will help you decide.\n\n{closing(material)}"
            ),
        ],
    )


def write_announcement(material: Material) -> CampaignWords:
    """One piece of news: what changed, what it means for the reader, where to learn more."""
    news = material.items or material.about or [f"There is news{material.from_company}"]
    topic = shorten(news[0], LONGEST_TOPIC)
    opening = {
        "formal": "We are writing to let you know about a change.",
        "playful": "We can finally tell you.",
        "plain": "We have news.",
    }.get(material.tone, "We have news, and we wanted you to have it from us.")
    meaning = [text_block("**What this means for you**\n\n" + bullets(news[1:]))] if len(news) > 1 else []
    return CampaignWords(
        name=f"Announcement: {topic}",
        subjects=[
            topic,
            f"News{material.from_company}: {lower_first(topic)}",
            f"We have news for you{material.from_company}",
            f"Something new{material.at_company}",
            "What changes, and what it means for you",
        ],
        preheader=make_preheader(news[1:], "What is new, what it means for you, and where to read more."),
        blocks=[
            heading(shorten(news[0], 80)),
            text_block(f"{greeting(material)}\n\n{opening} {sentence(news[0])}"),
            *meaning,
            *must_block(material),
            *button(material, "Learn more"),
            text_block(f"Do you have a question? Just reply to this message.\n\n{closing(material)}"),
        ],
    )


def write_win_back(material: Material) -> CampaignWords:
    """An honest question to people who went quiet: what they missed, and an easy way to stay or to go."""
    missed = material.items or material.about[:3]
    opening = {
        "formal": "It has been some time since you last opened one of our letters.",
        "playful": "It has been a while, and we noticed.",
        "plain": "You have not opened our letters for a while.",
    }.get(material.tone, "It has been a while since we heard from you, and we would rather ask than guess.")
    since = [text_block("**What you would find now**\n\n" + bullets(missed))] if missed else []
    return CampaignWords(
        name=f"Win-back, {material.month}",
        subjects=[
            "Shall we keep writing to you?",
            "{{first_name|Hello}}, are you still with us?",
            "It has been a while",
            "Stay or go: one click, no hard feelings",
            f"What you missed{material.at_company}",
        ],
        preheader="One honest question. Stay, or leave with one click at the end of this message.",
        blocks=[
            heading("Shall we keep in touch?"),
            text_block(
                f"{greeting(material)}\n\n{opening}\n\nIf you would like to go on hearing from us, there is nothing "
                "to fill in: one click below is enough. It tells us that these letters are welcome."
            ),
            *since,
            *must_block(material),
            *button(material, "Yes, keep me in the loop"),
            text_block(
                "And if your interests have moved on, that is fine too. The unsubscribe link at the end of this "
                f"message works at once, and we will not ask again.\n\n{closing(material)}"
            ),
        ],
    )


def write_event(material: Material) -> CampaignWords:
    """An invitation: what, when, where, and a button to say yes."""
    facts = material.items or [f"An event{material.at_company}"]
    topic = shorten(facts[0], LONGEST_TOPIC)
    opening = {
        "formal": "We have the pleasure of inviting you.",
        "playful": "Keep this one free in your calendar.",
        "plain": "You are invited.",
    }.get(material.tone, "We would love to have you with us.")
    details = [text_block("**The details**\n\n" + bullets(facts[1:]))] if len(facts) > 1 else []
    return CampaignWords(
        name=f"Invitation: {topic}",
        subjects=[
            f"You are invited: {lower_first(topic)}",
            topic,
            f"{{{{first_name|Hello}}}}, will you join us{material.at_company}?"[: LONGEST_SUBJECT + 13],
            f"An invitation{material.from_company}",
            "Save the date, and bring a friend",
        ],
        preheader=make_preheader(facts[1:], "What, when and where, and a button to save your place."),
        blocks=[
            heading(shorten(facts[0], 80)),
            text_block(f"{greeting(material)}\n\n{opening} {sentence(facts[0])}"),
            *details,
            *must_block(material),
            *button(material, "Save my place"),
            text_block(
                f"Cannot make it? Reply with a word, and we will tell you about the next one.\n\n{closing(material)}"
            ),
        ],
    )


def write_welcome(material: Material) -> CampaignWords:
    """A greeting: who we are, what one will get, one first thing to do."""
    expect = material.items or ["News when there is some, and nothing when there is none"]
    opening = {
        "formal": "Thank you for your subscription.",
        "playful": "You are in, and we are glad.",
        "plain": "Thank you for signing up.",
    }.get(material.tone, "Thank you for signing up. We are glad you are here.")
    about = " ".join(sentence(line) for line in material.about[:2])
    proofs = [text_block(f"**Good to know about {material.company or 'us'}**\n\n" + bullets(material.proofs))]
    return CampaignWords(
        name=f"Welcome{material.from_company and ', ' + material.company}"[:120],
        subjects=[
            f"Welcome{' to ' + material.company if material.company else ', and thank you'}"[:LONGEST_SUBJECT],
            "{{first_name|Hello}}, good to have you with us",
            f"You are in: what to expect{material.from_company}",
            "Thank you for joining us",
            "Start here",
        ],
        preheader="Who we are, what you will get from us, and a first thing to look at.",
        blocks=[
            heading(f"Welcome{' to ' + material.company if material.company else ''}"),
            text_block(f"{greeting(material)}\n\n{opening}" + (f"\n\n{about}" if about else "")),
            text_block("**What you can expect**\n\n" + bullets(expect)),
            *(proofs if material.proofs else []),
            *must_block(material),
            *button(material, "Take a first look"),
            text_block(
                "You can change what you receive, or leave, with the links at the end of every message. And if you "
                f"have a question, just reply.\n\n{closing(material)}"
            ),
        ],
    )


WRITERS: dict[str, Callable[[Material], CampaignWords]] = {
    "newsletter": write_newsletter,
    "offer": write_offer,
    "announcement": write_announcement,
    "win_back": write_win_back,
    "event": write_event,
    "welcome": write_welcome,
}
