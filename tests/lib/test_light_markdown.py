"""Emphasis and lists become markup; everything else stays words."""

from lib.light_markdown import render_light_markdown


def test_bold_italic_and_lists_are_shown() -> None:
    html = render_light_markdown("**Why** *us*\n\n- one\n- two")
    assert "<strong>Why</strong> <em>us</em>" in html
    assert html.count("<li>") == 2


def test_a_line_break_stays_one() -> None:
    assert "Warm regards,<br>" in render_light_markdown("Warm regards,\nLumen")


def test_markup_links_and_merge_tags_stay_words() -> None:
    html = render_light_markdown("<script>x</script> [a](javascript:x) {{first_name|friend}} <b onclick=x>")
    assert "<script" not in html
    assert "<a" not in html
    assert "<b " not in html
    assert "{{first_name|friend}}" in html
