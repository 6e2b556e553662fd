"""People who change rules and targets while events wait."""

from __future__ import annotations

import random
import time
from typing import Any

from tests.acceptance.harness.stage import HTTP_TARGETS, Stage
from tests.acceptance.harness.witness import Manner

REFUGE = "refuge"
"""Another name, or another address, for `hook`."""

Rules = list[dict[str, Any]]


def reload_again_and_again(stage: Stage, chance: random.Random) -> None:
    """Other names of rules, other crews of targets, under load."""
    stage.start()
    for number in stage.rounds():
        stage.load.allow(stage.fault.events.of(stage.form))
        rules = [{**rule, "name": f"{rule['name']}-{number}"} for rule in stage.rules()]
        chance.shuffle(rules)
        targets = stage.targets()
        for target in HTTP_TARGETS:
            targets[target]["concurrency"] = chance.randrange(1, 17)
        stage.reload(rules, targets)
    stage.oracle.wait_until_promised(stage.fault.events.of(stage.form))


def change_with_a_backlog(stage: Stage, _: random.Random) -> None:
    """`hook` does not work; somebody changes something; what waited for it arrives all the same."""
    oracle, witness, change = stage.oracle, stage.witness, stage.fault.when
    stage.start()
    witness.behave("hook", [Manner(status=503)])
    stage.send_all()
    witness.wait_until_asked("hook", 20)
    oracle.moved[REFUGE] = "hook"
    stage.reload(_rules(stage, change), _targets(stage, change))
    if change in {"target renamed", "target deleted"}:
        gone = stage.router.wait_for_log("target.gone")
        moved = _move_all(stage)
        if (gone["target"], gone["waiting"]) != ("hook", moved):
            oracle.complain("moved", f"{moved} deliveries, but the log said {gone}")
    if change.startswith("rule"):
        witness.recover("hook")
    if not change.endswith("deleted"):
        stage.send_all()
    oracle.wait_until_arrived(HTTP_TARGETS)
    witness.recover("hook")
    stage.reload(stage.rules(), stage.targets())


def _move_all(stage: Stage) -> int:
    """Redrive until nothing is left: what was still being written down when the first redrive came stays."""
    moved = stage.change("redrive", target="hook", to=REFUGE)
    give_up = time.monotonic() + 30.0
    while stage.waiting().get("hook") and time.monotonic() < give_up:
        moved += stage.change("redrive", target="hook", to=REFUGE)
    return moved


def _rules(stage: Stage, change: str) -> Rules:
    rules = stage.rules()
    match change:
        case "rule renamed":
            return [{**rule, "name": f"renamed-{rule['name']}"} for rule in rules]
        case "rule deleted" | "target deleted":
            return [rule for rule in rules if rule["targets"] != ["hook"]]
        case "target renamed":
            return [rule | {"targets": [REFUGE]} if rule["targets"] == ["hook"] else rule for rule in rules]
        case _:
            return rules


def _targets(stage: Stage, change: str) -> dict[str, dict[str, Any]]:
    targets = stage.targets()
    if change.startswith("rule"):
        return targets
    hook = targets.pop("hook")
    hook["http"] = {**hook["http"], "url": f"{stage.witness.url}/{REFUGE}"}
    return targets | {"hook" if change == "address changed" else REFUGE: hook}
