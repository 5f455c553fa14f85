"""The APP Agent on a LUX with an error: told, diagnosed, and repaired through the service that keeps receipts."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from agents import get_agent
from agents.proposals import add_proposals, approve_proposal
from agents.runner import carry_out_run
from agents.runs import get_run, start_run
from error_logger import error_logger
from extensions import db
from models import AgentRun, ErrorGroup
from tests.makers import make_user


@pytest.fixture
def group_id(app: Flask) -> int:
    try:
        raise ConnectionRefusedError(111, "Connection refused by the mail server at 192.0.2.7")
    except ConnectionRefusedError as error:
        error_logger().capture(error, place="task send_due_messages")
    assert error_logger().flush_now()
    return int(db.session.scalars(select(ErrorGroup.id)).one())


def run_task(key: str) -> AgentRun:
    agent = get_agent("app_intelligence")
    task = agent.find_task(key)
    assert task is not None
    run_id = start_run(agent, task, task.brief(), user_id=None, way="playbook").id
    carry_out_run(run_id)
    db.session.rollback()
    return get_run(run_id)


def test_an_incident_is_told_with_its_figures(group_id: int) -> None:
    run = run_task("incidents")
    assert run.state == "done"
    assert f"#{group_id}" in str(run.evidence)
    assert "192.0.2.7" not in str((run.result or {})["summary"])


def test_a_cause_is_named_with_its_confidence_and_may_be_repaired(group_id: int) -> None:
    run = run_task("diagnosis")
    assert run.state == "done"
    assert f"#{group_id}" in str(run.evidence)
    if not (run.result or {})["proposed"]:
        return
    operator = make_user(role="operator")
    for proposal in add_proposals(run.id):
        done = approve_proposal(proposal.id, operator)
        assert (done.state, (done.outcome or {})["group_id"]) == ("done", group_id)
