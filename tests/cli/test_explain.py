"""`router explain`: why rules match or do not, with their lines, and the bodies that targets would get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from router.cli import main
from tests.cli.operating import House

RULES = """\
rules:
  - name: blocked
    match:
      type: imm:Task:*
      data:
        Suggestion: block
        Score: {numeric: [">", 5]}
    where: length(data.Frames) > `0`
    targets:
      - plain
      - target: chat
        transform: {text: "{{ upper(data.URI) }}\\nwants a look"}
      - target: chat
        transform:
          input_transformer:
            input_paths_map: {uri: $.detail.URI}
            input_template: '{"uri": <uri>, "by": "<aws.events.rule-name>"}'
  - name: either
    match:
      $or:
        - {type: other}
        - {data.Suggestion: [pass, Block]}
    targets: [{target: chat, transform: {select: length(data.gone)}}]
  - name: nobody
    backstop: true
    targets: [plain]
targets: {plain: {log: {}}, chat: {http: {url: "https://${NOT_SET}/"}}}
"""

EVENT: dict[str, Any] = {
    "type": "imm:Task:Video",
    "data": {"Suggestion": "block", "Score": 7, "Frames": [1], "URI": "oss://a"},
}


@pytest.fixture(autouse=True)
def _in_a_deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "deployment"
    (folder / "rules").mkdir(parents=True)
    monkeypatch.chdir(folder)
    Path("rules/a.yml").write_text(RULES)


def explain(event: Any, *words: str) -> Result:
    Path("event.json").write_text(event if isinstance(event, str) else json.dumps(event))
    return CliRunner().invoke(main, ["explain", "event.json", *words])


def changed(**data: Any) -> dict[str, Any]:
    return {**EVENT, "data": {**EVENT["data"], **data}}


def test_a_match_shows_every_condition_and_every_body() -> None:
    result = explain(EVENT, "--rule", "blocked")
    assert (result.exit_code, result.stderr) == (0, "")
    assert (
        result.stdout
        == """\
match     blocked (rules/a.yml:2)
    rules/a.yml:7: yes data.Score: {"numeric": [">", 5]}; found 7
    rules/a.yml:6: yes data.Suggestion: "block"; found "block"
    rules/a.yml:4: yes type: "imm:Task:*"; found "imm:Task:Video"
    rules/a.yml:8: yes where: length(data.Frames) > `0`; found true
    → plain: the event itself
    → chat: text/plain; charset=utf-8
      OSS://A
      wants a look
    → chat: application/json
      {"uri":"oss://a","by":"blocked"}
"""
    )


HEADED = """\
rules:
  - {name: all, match: {type: "*"}, targets: [hook, {target: hook, transform: {text: "{{ type }}"}}, plain]}
targets:
  plain: {log: {}}
  hook:
    http:
      url: "https://${NOT_SET}/"
      headers:
        x-event: "{{ type }}/{{ data.Score }}"
        x-who: "${NOBODY} {{ data.URI }}"
        x-field: "{{ data.${FIELD} }}"
        x-constant: "s3cret"
"""


def test_headers_that_are_filled_in_for_each_event_are_shown() -> None:
    Path("rules/a.yml").write_text(HEADED)
    result = explain(EVENT)
    assert (result.exit_code, result.stderr) == (0, "")
    headers = "x-event: imm:Task:Video/7, x-who: ${NOBODY} oss://a, x-field: {{ data.${FIELD} }}"
    assert result.stdout.splitlines()[2:] == [
        f"    → hook: the event itself, {headers}",
        f"    → hook: text/plain; charset=utf-8, {headers}",
        "      imm:Task:Video",
        "    → plain: the event itself",
    ]
    told = json.loads(explain(EVENT, "--json").stdout)[0]["targets"]
    assert told[0]["headers"]["x-event"] == "imm:Task:Video/7"
    assert told[2]["headers"] == {}


SECRETS = """\
rules: [{name: all, match: {type: "*"}, targets: [hook]}]
targets:
  hook:
    http:
      url: https://example.com/
      headers:
        authorization: "Bearer hunter2 {{ data.Score }}"
        x-api-key: "${KEY}-{{ data.Score }}"
        x-mixed-token: "${KEY} hunter2 {{ data.Score }}"
        x-secret: "hunter2 {{ data.${FIELD} }}"
"""


def test_secrets_in_headers_are_not_shown() -> None:
    Path("rules/a.yml").write_text(SECRETS)
    (told,) = json.loads(explain(EVENT, "--json").stdout)[0]["targets"]
    assert told["headers"] == {
        "authorization": "*** 7",
        "x-api-key": "${KEY}-7",
        "x-mixed-token": "${KEY} *** 7",
        "x-secret": "***",
    }
    assert "hunter2" not in explain(EVENT).output


def test_a_header_that_cannot_be_made() -> None:
    Path("rules/a.yml").write_text(HEADED)
    result = explain(changed(URI="two\nlines"))
    assert "    → hook: a dead letter: the header 'x-who' would have a control character" in result.stdout


def test_every_failing_leaf_has_its_line_and_its_near_miss() -> None:
    result = explain(changed(Suggestion="Block", Score="7"), "--rule", "blocked")
    assert result.exit_code == 1
    near = '"7" is a string in the event, a number in the pattern'
    assert result.stdout.replace(near, "NEAR").splitlines() == [
        "no match  blocked (rules/a.yml:2)",
        '    rules/a.yml:7: NO  data.Score: {"numeric": [">", 5]}; found "7" (NEAR)',
        '    rules/a.yml:6: NO  data.Suggestion: "block"; found "Block" ("Block" differs only in case)',
        '    rules/a.yml:4: yes type: "imm:Task:*"; found "imm:Task:Video"',
    ]


@pytest.mark.parametrize(
    ("frames", "told"),
    [
        ([], "rules/a.yml:8: NO  where: length(data.Frames) > `0`; found false"),
        (None, "rules/a.yml:8: NO  where: length(data.Frames) > `0`; found an error (the expression"),
    ],
)
def test_where_is_told_as_well(frames: Any, told: str) -> None:
    result = explain(changed(Frames=frames), "--rule", "blocked")
    assert result.exit_code == 1
    assert told in result.stdout


def test_alternatives_a_backstop_and_a_body_that_cannot_be_made() -> None:
    result = explain(changed(Suggestion="pass"))
    assert result.exit_code == 0
    _, _, rest = result.stdout.partition("match     either (rules/a.yml:18)\n")
    assert [line.partition(": In function")[0] for line in rest.splitlines()[:4]] == [
        '    rules/a.yml:21: NO  type: "other"; found "imm:Task:Video"',
        "    or",
        '    rules/a.yml:22: yes data.Suggestion: ["pass", "Block"]; found "pass"',
        "    → chat: a dead letter: the expression 'length(data.gone)' failed",
    ]
    assert rest.splitlines()[4] == "not asked nobody (rules/a.yml:24): a backstop, and either matches"


def test_a_backstop_that_is_asked() -> None:
    result = explain({"type": "x"}, "--rule", "nobody")
    assert (result.exit_code, result.stdout) == (
        0,
        "match     nobody (rules/a.yml:24)\n    → plain: the event itself\n",
    )


def test_as_json() -> None:
    result = explain(changed(Suggestion="no"), "--json", "--rule", "blocked", "--rule", "nobody")
    assert result.exit_code == 0
    blocked, nobody = json.loads(result.stdout)
    assert (blocked["rule"], blocked["verdict"], blocked["line"], blocked["targets"]) == (
        "blocked", "no-match", 2, [],
    )  # fmt: skip
    ((_, leaf, _),) = blocked["branches"]
    assert leaf == {
        "path": "data.Suggestion",
        "condition": '"block"',
        "matched": False,
        "found": ['"no"'],
        "near": None,
        "file": "rules/a.yml",
        "line": 6,
        "column": 21,
    }
    assert (nobody["verdict"], nobody["branches"]) == ("match", [[]])
    assert nobody["targets"] == [
        {"target": "plain", "body": None, "content_type": None, "headers": {}, "error": None}
    ]


def test_what_strangers_write_does_nothing_to_a_terminal() -> None:
    evil = "\x1b[2J\x9b2J\u202e\u2028"
    result = explain(changed(URI=f"{evil}\nnext", Suggestion=evil))
    chat = explain(changed(URI=f"{evil}\nnext"), "--rule", "blocked")
    for character in evil[:1] + evil[4:]:
        if not character.isprintable():
            assert character not in result.stdout + chat.stdout
    assert "      \\u001b[2J\\u009b2J\\u202e\\u2028\n      NEXT\n" in chat.stdout


def test_a_long_body_is_cut_for_people_alone() -> None:
    event = changed(URI="x" * 5_000)
    assert "… and 3,013 characters more: --json shows them" in explain(event, "--rule", "blocked").stdout
    (told,) = json.loads(explain(event, "--rule", "blocked", "--json").stdout)
    assert len(told["targets"][1]["body"]) == 5_013


def test_standard_input() -> None:
    result = CliRunner().invoke(main, ["explain", "-"], input='{"type": "other"}')
    assert result.exit_code == 0
    assert "match     either" in result.stdout


@pytest.mark.parametrize(
    ("event", "words", "said"),
    [
        (EVENT, ("--rule", "bloked"), "error: there is no rule 'bloked'; did you mean 'blocked'?"),
        ("[]", (), "event.json holds no CloudEvent in JSON: a CloudEvent in JSON is an object"),
        ("<Response/>", (), "event.json holds no CloudEvent in JSON: "),
        ({"data": 1, "type": 5}, (), "event.json holds no CloudEvent in JSON: type"),
        (EVENT, ("-d", "nowhere"), "nowhere: error: no such file or folder"),
    ],
)
def test_used_wrongly(event: Any, words: tuple[str, ...], said: str) -> None:
    result = explain(event, *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_no_such_file() -> None:
    result = CliRunner().invoke(main, ["explain", "gone.json"])
    assert (result.exit_code, result.stderr) == (2, "error: gone.json: No such file or directory\n")


def test_a_broken_configuration() -> None:
    Path("rules/a.yml").write_text(RULES.replace("where:", "wehre:"))
    result = explain(EVENT)
    assert result.exit_code == 2
    assert "rules/a.yml:8:5: error: rules.blocked.wehre: unknown key 'wehre'" in result.stderr


def test_rules_alone() -> None:
    Path("rules/a.yml").write_text(RULES.partition("targets: {plain")[0])
    assert explain(EVENT, "-d", "rules").exit_code == 0


BODIES = """
rules:
  - name: made
    match: {{type: order.*}}
    targets:
      - target: hook
        transform:
          input_transformer:
            input_paths_map: {{n: $.detail.n}}
            input_template: '[<n>, <aws.events.event.ingestion-time>, <aws.events.rule-name>]'
      - {{target: hook, transform: {{text: "{{{{ upper(type) }}}} {{{{ default(subject, 'nothing') }}}}"}}}}
targets:
  hook: {{http: {{url: "{url}/hook"}}}}
"""


def test_what_is_told_is_what_targets_get(running_house: House) -> None:
    house = running_house
    house.stop()
    house.write(BODIES)
    house.start()
    house.send(1)
    house.receiver.wait_for(2)
    (event,) = house.told("events")["events"]
    (told,) = house.told("explain", str(event["sequence"]))
    sent = sorted((one.body.decode(), one.headers["content-type"]) for one in house.receiver.requests)
    assert sent == sorted((one["body"], one["content_type"]) for one in told["targets"])
    assert "ORDER.NEW nothing" in {body for body, _ in sent}


WHEN = """
rules:
  - name: when
    match: {type: order.*}
    targets:
      - target: hook
        transform: {input_transformer: {input_template: <aws.events.event.ingestion-time>}}
targets: {hook: {log: {}}}
"""


def test_a_stored_event_by_its_sequence(house: House) -> None:
    house.send(1)
    (event,) = house.told("events")["events"]
    house.settle()
    (orders, again) = house.told("explain", str(event["sequence"]))
    assert (orders["rule"], orders["verdict"], again["verdict"]) == ("orders", "match", "no-match")
    rules = house.folder / "router.yml"
    rules.write_text(WHEN)
    (when,) = house.told("explain", str(event["sequence"]))
    assert json.loads(when["targets"][0]["body"])[:19] == event["received"][:19]
    said = house.command("explain", "17", status=2).stderr
    assert "17" in said
