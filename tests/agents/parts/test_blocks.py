"""Results as documents and as forms: each kind of block in markdown, each text a field, computed figures left alone."""

from __future__ import annotations

from agents.editing import list_edit_fields, read_edit
from agents.parts.blocks import Block, Card, Cards, Facts, Figure, Figures, Rules, Table, Text, write_markdown
from agents.parts.checks import is_small_count, list_numbers
from agents.parts.documents import tell_answer
from agents.parts.result_parts import Finding, Report, ShownFigure
from agents.tasks.list_health import LIST_HEALTH, HealthReport

REPORT = HealthReport(
    verdict="All is well.",
    findings=[Finding(title="One", what="It is so.", do="Nothing."), Finding(title="Two", what="Also.", do="Look.")],
    first_step="Look again.",
    figures=[ShownFigure(label="Subscribed", value="12", evidence="audience")],
)


def test_every_kind_of_block_is_written() -> None:
    blocks: list[Block] = [
        Text("Hello **you**", "Greeting"),
        Facts([("Name", "A\nB")]),
        Figures([Figure("Sent", "1,200", "sent", "in a month")]),
        Table("Rows", ("What", "Count"), [("a|b", "3")], frozenset({1})),
        Table("None", ("What",), [], empty="Nothing."),
        Cards([Card("One", "text", (("Key", "value"),), "a note")]),
        Rules("People who clicked", 1200),
    ]
    words = write_markdown("A report", blocks, foot=["By the agent"])
    for line in (
        "# A report",
        "## Greeting",
        "- **Name**: A B",
        "| a\\|b | 3 |",
        "| --- | ---: |",
        "Nothing.",
        "### One",
    ):
        assert line in words
    assert "1,200 contacts" in words
    assert words.endswith("By the agent\n")


def test_each_text_becomes_a_field_and_an_emptied_one_goes_away() -> None:
    names = [field.name for field in list_edit_fields(LIST_HEALTH, REPORT)]
    assert names[:3] == ["verdict", "findings.0.title", "findings.0.what"]
    assert not [name for name in names if name.startswith("figures")]
    form = {
        "verdict": "Mine.",
        "findings.1.title": "",
        "findings.1.what": "",
        "findings.1.do": "",
        "figures.0.value": "99",
    }
    edited = HealthReport.model_validate(read_edit(LIST_HEALTH, REPORT, form))
    assert (edited.verdict, len(edited.findings), edited.figures[0].value) == ("Mine.", 1, "12")


def test_a_half_answer_is_told_as_far_as_it_goes_whatever_it_is() -> None:
    assert (
        tell_answer({"verdict": "All is", "findings": [{"title": "One"}]})
        == "Verdict: All is\n\nFindings\n- Title: One"
    )
    for strange in ({"findings": 7}, {"findings": [[1, 2]]}, {"verdict": None}, {"verdict": {"a": [True]}}, {}):
        assert isinstance(tell_answer(strange), str)


def test_figures_are_the_same_however_they_are_spelled() -> None:
    assert list_numbers("1,200 and 1200.0 and $1,200") == {"1200"}
    assert list_numbers("12.50% and 12.5") == {"12.5"}
    assert list_numbers("#12 and v2") == set()
    assert is_small_count("3") and not is_small_count("3%") and not is_small_count("12")


def test_a_report_is_told_in_one_sentence() -> None:
    assert isinstance(Report(**REPORT.model_dump()).verdict, str)
