"""Posts put together and counted as their networks count."""

from __future__ import annotations

from lib.networks import get_network
from lib.post_texts import compose_post, count_post, read_tags

LINK = "https://lumen.example/tea?utm_source=x&utm_medium=social&utm_campaign=green-tea"


def test_a_post_is_its_text_then_its_link_then_its_tags() -> None:
    assert compose_post(get_network("x"), " Tea. ", ["#tea", "#calm"], LINK) == f"Tea.\n\n{LINK}\n\n#tea #calm"
    assert compose_post(get_network("x"), "Tea.", [], "") == "Tea."


def test_a_network_whose_texts_hold_no_links_gets_none() -> None:
    assert compose_post(get_network("instagram"), "Tea.", ["#tea"], LINK) == "Tea.\n\n#tea"


def test_a_link_counts_23_where_the_network_says_so_and_as_it_is_elsewhere() -> None:
    assert count_post(get_network("x"), f"Tea.\n\n{LINK}") == 6 + 23
    assert count_post(get_network("mastodon"), f"Tea.\n\n{LINK}") == 6 + 23
    assert count_post(get_network("linkedin"), f"Tea.\n\n{LINK}") == 6 + len(LINK)


def test_some_scripts_and_emoji_count_twice_on_x_alone() -> None:
    assert count_post(get_network("x"), "お茶") == 4
    assert count_post(get_network("x"), "é“”…") == 5
    assert count_post(get_network("x"), "🍵") == 2
    assert count_post(get_network("x"), "❤️") == 2
    assert count_post(get_network("mastodon"), "お茶") == 2


def test_tags_are_read_with_and_without_their_mark_each_once() -> None:
    assert read_tags("tea, #calm #tea;\n#grün-tee  #") == ["#tea", "#calm", "#grüntee"]
