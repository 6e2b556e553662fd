"""The main job on the shipped rules, through a running router: blocks reach people, passes do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router import samples
from tests.client import post
from tests.process import RouterProcess
from tests.receiver import Receiver, Request

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def router(receiver: Receiver, tmp_path: Path) -> Iterator[RouterProcess]:
    hooks = {
        "TRUST_AND_SAFETY_URL": f"{receiver.url}/trust-and-safety",
        "FAILED_TASKS_URL": f"{receiver.url}/failed-tasks",
    }
    with RouterProcess([REPOSITORY], tmp_path / "data", hooks) as running:
        yield running


def moderation(kind: str, suggestion: str, number: int) -> dict[str, Any]:
    """The document's own moderation sample, with this suggestion and an id of its own."""
    name = f"imm-Task-{kind}Moderation.json"
    sample = next(sample for sample in samples.load("alibaba") if sample.name == name)
    event: dict[str, Any] = json.loads(sample.body)
    event["id"] = f"{kind}-{suggestion}-{number}"
    event["data"]["Suggestion"] = suggestion
    return event


def ids(requests: list[Request]) -> list[str]:
    return [json.loads(request.body)["id"] for request in requests if request.target == "/trust-and-safety"]


def audited(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for file in folder.glob("audit/*.jsonl") for line in file.read_text().splitlines()
    ]


@pytest.mark.parametrize("kind", ["Image", "Video"])
def test_block_reaches_the_webhook_and_pass_and_review_do_not(
    kind: str, receiver: Receiver, router: RouterProcess, tmp_path: Path
) -> None:
    for number, suggestion in enumerate(["pass", "block", "review", "block", "pass"]):
        sent = json.dumps(moderation(kind, suggestion, number)).encode()
        assert post(f"{router.url}/alibaba", sent, "application/cloudevents+json").status == 200
    receiver.wait_for(2)
    assert router.terminate() == 0
    assert sorted(ids(receiver.requests)) == [f"{kind}-block-1", f"{kind}-block-3"]
    records = audited(tmp_path / "data")
    rules = {record["event"]["id"]: record["rules"] for record in records}
    assert len(rules) == 5  # every one of them is on record, whatever it says
    assert rules[f"{kind}-block-1"] == ["everything-to-audit"]


def test_a_glob_over_types_matches_tasks_and_not_bindings(receiver: Receiver, tmp_path: Path) -> None:
    rules = tmp_path / "router.yml"
    rules.write_text(
        f"""
rules:
  - {{name: tasks, match: {{type: "imm:Task:*"}}, targets: [hook]}}
targets:
  hook: {{http: {{url: "{receiver.url}/hook"}}}}
"""
    )
    sent = {json.loads(sample.body)["type"]: sample.body for sample in samples.load("alibaba")}
    with RouterProcess([rules], tmp_path / "data") as router:
        for kind in ("imm:Binding:Task", "imm:Task:VideoModeration", "imm:Batch:Notification"):
            assert post(f"{router.url}/alibaba", sent[kind]).status == 200
        receiver.wait_for(1)
        assert router.terminate() == 0
    assert [json.loads(request.body)["type"] for request in receiver.requests] == ["imm:Task:VideoModeration"]


def test_one_rule_serves_every_cloud_and_what_failed_passes_nowhere(
    receiver: Receiver, router: RouterProcess, tmp_path: Path
) -> None:
    sent = {
        sample.name: sample
        for cloud in ("alibaba", "tencent")
        for sample in samples.load(cloud)
        if "Moderation" in sample.name or "review-" in sample.name
    }
    for sample in sent.values():
        assert post(router.url + sample.path, sample.body, sample.content_type).status == 200
    receiver.wait_for(sum("-block" in name or "-failed" in name for name in sent))
    assert router.terminate() == 0
    verdicts = {record["event"]["id"]: record["event"] for record in audited(tmp_path / "data")}
    assert len(verdicts) == len(sent) - 1  # the documents' own two have one id: the second came again
    blocked = sorted(id_ for id_, event in verdicts.items() if event["verdict"] == "block")
    assert sorted(ids(receiver.requests)) == blocked
    assert len(blocked) == sum("-block" in name for name in sent) == 5
    failed = [event for event in verdicts.values() if event.get("verdictreason") == "failed"]
    assert len(failed) == sum("-failed" in name for name in sent) == 3
    assert {event["verdict"] for event in failed} == {"review"}
