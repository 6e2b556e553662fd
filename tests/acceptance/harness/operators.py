"""People who change rules and targets while events wait."""

from __future__ import annotations

import random
import time
from typing import Any

from tests.acceptance.harness.oracle import ORDERED
from tests.acceptance.harness.stage import HTTP_TARGETS, Stage
from tests.acceptance.harness.witness import Manner

REFUGES = {"hook": "refuge", ORDERED: "ordered-refuge"}
"""Another name, or another address, for those that do not work."""

Rules = list[dict[str, Any]]


def reload_again_and_again(stage: Stage, chance: random.Random) -> None:
    """Other names of rules, other crews of targets, under load."""
    stage.start()
    stage.misbehave(stage.fault.answers)
    for number in stage.rounds():
        stage.load.allow(stage.fault.events.of(stage.form))
        rules = [{**rule, "name": f"{rule['name']}-{number}"} for rule in stage.rules()]
        chance.shuffle(rules)
        targets = stage.targets()
        for target in HTTP_TARGETS:
            targets[target]["concurrency"] = chance.randrange(1, 17)
        stage.reload(rules, targets)
    stage.oracle.wait_until_promised(stage.fault.events.of(stage.form))
    stage.recover()


def change_with_a_backlog(stage: Stage, _: random.Random) -> None:
    """Two targets do not work; somebody changes something; what waited for them arrives all the same."""
    oracle, witness, change = stage.oracle, stage.witness, stage.fault.when
    stage.start()
    stage.misbehave([Manner(status=503)])
    stage.send_all()
    witness.wait_until_asked("hook", 20)
    oracle.moved.update({refuge: target for target, refuge in REFUGES.items()})
    stage.reload(_rules(stage, change), _targets(stage, change))
    if change in {"target renamed", "target deleted"}:
        stage.router.wait_for_log("target.gone", count=len(REFUGES))
        lines = [line for line in stage.router.log if line.get("event") == "target.gone"]
        gone = {line["target"]: line["waiting"] for line in lines}
        moved = {target: _move_all(stage, target) for target in REFUGES}
        if gone != moved:
            oracle.complain("moved", f"{moved} deliveries, but the log said {gone}")
    if change.startswith("rule"):
        stage.recover()
    if not change.endswith("deleted"):
        stage.send_all()
    oracle.wait_until_arrived(HTTP_TARGETS)
    stage.recover()
    stage.reload(stage.rules(), stage.targets())


def _move_all(stage: Stage, target: str) -> int:
    """Redrive until nothing is left: what was still being written down when the first redrive came stays."""
    if target == ORDERED:
        stage.oracle.redriven |= set(stage.listed(target))
    moved = stage.change("redrive", target=target, to=REFUGES[target])
    give_up = time.monotonic() + 30.0
    while stage.waiting().get(target) and time.monotonic() < give_up:
        moved += stage.change("redrive", target=target, to=REFUGES[target])
    return moved


def _rules(stage: Stage, change: str) -> Rules:
    rules = stage.rules()
    match change:
        case "rule renamed":
            return [{**rule, "name": f"renamed-{rule['name']}"} for rule in rules]
        case "rule deleted" | "target deleted":
            return [rule for rule in rules if rule["targets"][0] not in REFUGES]
        case "target renamed":
            return [rule | {"targets": [REFUGES.get(to, to) for to in rule["targets"]]} for rule in rules]
        case _:
            return rules


def _targets(stage: Stage, change: str) -> dict[str, dict[str, Any]]:
    targets = stage.targets()
    if change.startswith("rule"):
        return targets
    for name, refuge in REFUGES.items():
        target = targets.pop(name)
        target["http"] = {**target["http"], "url": f"{stage.witness.url}/{refuge}"}
        targets[name if change == "address changed" else refuge] = target
    return targets
