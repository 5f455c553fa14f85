"""A repair asked for in a conversation: started for an operator, told in words, with the whole report beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auto_repair_service import Actor, start_repair
from conversation.facts import Card, Evidence, Fact
from conversation.system_facts import FIX
from conversation.turns import Asker
from errors import Conflict, NotFound
from lib.answer_markdown import quote_words

# A repair may probe for a while; so long nothing may be heard of it.
SILENCE_SECONDS = 180
MOST_TOLD = 5
_STATUS = {
    "nothing_to_do": "There is nothing to repair: no unresolved error is known.",
    "off": "Repairs are switched off (AUTO_REPAIR), so LUX only looked.",
    "stopped": "Repairs are stopped by the switch on the Diagnostics page, so LUX only looked.",
    "dry_run": "This is a dry run: nothing was changed.",
    "partial": "Time was up before everything was looked at; ask again to go on.",
}
_STATES = {
    "resolved_verified": "resolved, and verified",
    "resolved_by_human": "resolved by a person",
    "quiet_unverified": "quiet, but nothing proves that it is gone",
    "still_failing": "still failing",
    "needs_human": "needs a person",
    "verifying": "changed; LUX is watching whether it helped",
    "diagnosed": "diagnosed; what is left waits for a person",
    "regressed": "came back",
}


def repair(asker: Asker, *, is_dry_run: bool = False, group_id: int | None = None) -> Fact:
    """Starts a repair in the name of the asker and tells how it went. Never raises for what it finds."""
    actor = Actor(asker.name, asker.user_id, "chat", is_person=asker.user_id is not None)
    try:
        report = start_repair(actor=actor, is_dry_run=is_dry_run, group_id=group_id).as_row()
    except (Conflict, NotFound) as error:
        return Fact(error.detail, error.detail)
    return tell_report(report)


def tell_report(report: Mapping[str, Any]) -> Fact:
    """A report in words: what was found, done and proved for each group, and what waits for a person."""
    results = list(report["results"])
    resolved = int(report["resolved"])
    status = _STATUS.get(str(report["status"]), "")
    count = f"{len(results)} error {'group was' if len(results) == 1 else 'groups were'} examined, {resolved} resolved."
    head = " ".join(part for part in (status, count if results else "") if part)
    lines = [_tell_result(result) for result in results[:MOST_TOLD]]
    if len(results) > MOST_TOLD:
        lines.append(f"And {len(results) - MOST_TOLD} more under [Diagnostics](/diagnostics/).")
    told = "; ".join(_told_result(result) for result in results[:MOST_TOLD])
    return Fact(
        "\n\n".join([f"**{head}**", *lines]),
        f"Repair report, {report['status']}: {len(results)} examined, {resolved} resolved. {told}",
        tuple(one for result in results[:MOST_TOLD] for one in _evidence(result)),
        _cards(report, results),
        is_from_outside=True,
        repair=dict(report),
    )


def _tell_result(result: Mapping[str, Any]) -> str:
    diagnosis = result["diagnosis"]
    group_id = result["group_id"]
    name = f"[Error group {group_id}](/diagnostics/groups/{group_id})" if group_id else "The system"
    parts = [f"{name}: {quote_words(str(diagnosis.get('cause') or 'not diagnosed'), 300)}"]
    parts += [f"- {_tell_action(action)}" for action in result["actions"][:4]]
    if not result["actions"]:
        parts += [f"- {quote_words(str(step), 240)}" for step in result["fix_steps"][:3]]
    tests = [test for test in result["test_results"] if isinstance(test, dict)]
    after = [test for test in tests if not test.get("before_repair")]
    failed_before = len([test for test in tests if test.get("before_repair") and not test.get("passed")])
    proof = f" {sum(bool(test.get('passed')) for test in after)} of {len(after)} tests passed." if after else ""
    proof += f" {failed_before} failed while the error was live." if failed_before else ""
    state = str(result["state"])
    parts.append(f"- **{_STATES.get(state, state.replace('_', ' '))}**.{proof}")
    return "\n".join([parts[0], "", *parts[1:]])


def _tell_action(action: Mapping[str, Any]) -> str:
    title = quote_words(str(action.get("title") or action.get("repair")), 120)
    said = action.get("outcome") or action.get("obstacle") or action.get("dry_run") or ""
    kind = "by itself" if action.get("automatic") else f"tier {action.get('tier')}"
    return f"{title} ({kind}, {str(action.get('state')).replace('_', ' ')}): {quote_words(str(said), 240)}"


def _told_result(result: Mapping[str, Any]) -> str:
    """For the model: rule, repairs and state; the cause in words may quote the fault."""
    actions = ", ".join(f"{one.get('repair')} {one.get('state')}" for one in result["actions"]) or "no action"
    return f"error group {result['group_id']}: rule {result['diagnosis'].get('rule')}, {actions}, {result['state']}"


def _evidence(result: Mapping[str, Any]) -> list[Evidence]:
    group_id = result["group_id"]
    if not group_id:
        return []
    return [Evidence(f"group:{group_id}", f"Error group {group_id}", f"/diagnostics/groups/{group_id}")]


def _cards(report: Mapping[str, Any], results: list[Mapping[str, Any]]) -> tuple[Card, ...]:
    """What waits for a person: after a dry run the repair itself, else each group with a step to approve."""
    if report["status"] == "dry_run":
        return (FIX,)
    waiting = [result for result in results if any(one.get("state") == "waiting" for one in result["actions"])]
    return tuple(
        Card(
            "A step waits for your approval",
            f"Error group {one['group_id']}" if one["group_id"] else "For the system as a whole",
            url=f"/diagnostics/groups/{one['group_id']}" if one["group_id"] else "/diagnostics/repairs/",
        )
        for one in waiting[:3]
    )
