"""Nobody learns of a draft by guessing its id (Mautic CVE-2025-5257), nor of anything else behind the door."""

from __future__ import annotations

import re

from tests.security.house import House

SECRET = "Top secret autumn plan"


def test_every_address_of_a_draft_answers_a_stranger_as_if_it_were_not_there(house: House) -> None:
    draft_id = house.scene.of_area["campaign_wizard"]["campaign_id"]
    house.contents.connection.execute(
        "UPDATE campaigns SET name = %s, content = jsonb_set(content, '{subject}', to_jsonb(%s::text)) WHERE id = %s",
        (SECRET, SECRET, draft_id),
    )
    count = 0
    for rule in house.app.url_map.iter_rules():
        if "campaign_id" not in rule.arguments:
            continue
        for method in sorted({"GET", "HEAD", "POST"} & (rule.methods or set())):
            own = re.sub(r"/campaigns/\d+", f"/campaigns/{draft_id}", house.address_of(rule))
            answers: dict[str, set[tuple[int, str]]] = {}
            for address in (own, re.sub(r"/campaigns/\d+", "/campaigns/987654", own)):
                for principal in ("nobody", "waiting", "zapier", "token"):
                    answer = house.ask(principal, method, address)
                    place = answer.headers.get("Location", "")
                    told = re.sub(r"\d+|[0-9a-f]{16}", "", f"{place} {answer.get_data(as_text=True)}")
                    assert SECRET not in told
                    assert answer.status_code in (303, 404), (address, principal)
                    answers.setdefault(principal, set()).add((answer.status_code, told))
                    count += 1
            assert all(len(said) == 1 for said in answers.values()), (method, own, answers)
    assert count > 300


def test_a_draft_has_no_public_address(house: House) -> None:
    """Only what was sent has links for receivers: for a draft's id there is nothing that could be signed."""
    for prefix in "covup":
        for guess in ("1", "2", str(house.scene.of_area["campaign_wizard"]["campaign_id"]), "draft", "preview"):
            assert house.ask("nobody", "GET", f"/{prefix}/{guess}").status_code == 404
