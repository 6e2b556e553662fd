"""EventBridge's own transforms: what its documents and its recorded answers say of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import Event
from router.sources.aws_entries import Entry, Surroundings, reading
from router.transforms import JSON_TYPE, TEXT_TYPE, compile_transform, faults, pieces, variant_of
from router.transforms.filling import RESERVED

DATA = b"""{"command": "display-message", "n": 0.1234567890123456789, "list": [{"a-b": 1}, {"a-b": "x"}, {}],
 "say": "\\"hi\\"\\n<n>", "none": null, "sla/sh_ed": true, "detail": {"inner": 7}}"""

EVENT = Event(
    id="6a7e8feb",
    source="com.example/my%20app",
    type="customerCreated",
    time="2026-01-02T03:04:05Z",
    extensions={
        "awsaccount": "123456789012",
        "awsregion": "eu-west-1",
        "awsresources": '["arn:aws:s3:::b"]',
        "awssource": "com.example/my app",
    },
    data=DATA,
)

PLAIN = Event(id="1", source="/s", type="t", data=b'{"x": 1}')

RECEIVED = 1767323045.678

ENVELOPE = {
    "version": "0",
    "id": "6a7e8feb",
    "detail-type": "customerCreated",
    "source": "com.example/my app",
    "account": "123456789012",
    "time": "2026-01-02T03:04:05Z",
    "region": "eu-west-1",
    "resources": ["arn:aws:s3:::b"],
}

ENVELOPED = Event(
    id="other", source="/s", type="t", data=json.dumps({**ENVELOPE, "detail": {"x": 5}}).encode()
)


def transformer(template: str, paths: dict[str, str] | None = None) -> dict[str, Any]:
    return {"input_transformer": {"input_paths_map": paths or {}, "input_template": template}}


def body(written: dict[str, Any], event: Event = EVENT, rule: str = "my-rule") -> str:
    return compile_transform(written, rule).render(event, RECEIVED).content.decode()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.detail.command", '"display-message"'),  # a scalar is delivered as JSON
        ("$.data.command", '"display-message"'),
        ("$.detail.n", "0.1234567890123456789"),
        ("$.detail.list[1].a-b", '"x"'),
        ("$.detail.list[*].a-b", '[1,"x"]'),
        ("$.detail.list.*", '[{"a-b":1},{"a-b":"x"},{}]'),
        ("$.detail.detail.*", "[7]"),
        ("$.detail.sla/sh_ed", "true"),
        ("$.detail.gone", "null"),
        ("$.detail.list[9]", "null"),
        ("$.detail.command.x", "null"),
        ("$.detail.gone[*]", "[]"),
        ("$.detail-type", '"customerCreated"'),
        ("$.type", '"customerCreated"'),
        ("$.source", '"com.example/my%20app"'),
        ("$.account", '"123456789012"'),
        ("$.region", '"eu-west-1"'),
        ("$.resources[0]", '"arn:aws:s3:::b"'),
        ("$.version", '"0"'),
    ],
)
def test_paths(path: str, expected: str) -> None:
    rendered = compile_transform({"input_path": path}).render(EVENT)
    assert (rendered.content.decode(), rendered.content_type) == (expected, JSON_TYPE)


def test_the_root_is_the_envelope() -> None:
    found = json.loads(body({"input_path": "$"}))
    assert found == {**ENVELOPE, "detail": json.loads(DATA)}
    assert list(found)[2] == "detail-type"


def test_data_that_is_an_envelope_is_the_envelope() -> None:
    assert body({"input_path": "$.detail.x"}, ENVELOPED) == "5"
    assert body({"input_path": "$.data.detail.x"}, ENVELOPED) == "5"
    assert body({"input_path": "$.id"}, ENVELOPED) == '"other"'  # the event's own name comes first
    assert json.loads(body({"input_path": "$"}, ENVELOPED)) == {**ENVELOPE, "detail": {"x": 5}}


def test_events_of_others_have_an_envelope_too() -> None:
    expected = {
        "version": "0", "id": "1", "detail-type": "t", "source": "/s", "account": "",
        "time": "2026-01-02T03:04:05.678Z", "region": "", "resources": [], "detail": {"x": 1},
    }  # fmt: skip
    assert json.loads(body({"input_path": "$"}, PLAIN)) == expected


def test_an_extension_of_the_name_comes_first_and_rubbish_in_one_hurts_nobody() -> None:
    event = Event(id="1", source="/s", type="t", extensions={"region": "mine", "awsresources": "{rubbish"})
    assert body({"input_path": "$.region"}, event) == '"mine"'
    assert body({"input_path": "$.resources"}, event) == "[]"
    assert body({"input_path": "$.detail"}, event) == "null"


MAP = {
    "type": "$.detail-type",
    "time": "$.time",
    "gone": "$.detail.notinmessage",
    **{name: f"$.detail.{name}" for name in ("command", "say", "n", "none", "list")},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        # As recorded on AWS: a quoted string, and nothing in place of what is missing.
        ('"Event of <type> type, at time <time>, from detail <command>"',
         '"Event of customerCreated type, at time 2026-01-02T03:04:05Z, from detail display-message"'),
        ('"Event of <type> type, at time <time>, info extracted from detail <gone>"',
         '"Event of customerCreated type, at time 2026-01-02T03:04:05Z, info extracted from detail "'),
        ('{"a": <command>, "b": <gone>, "c": <none>}', '{"a":"display-message","b":"","c":null}'),
        ('{"a": "<command>", "b": "[<gone>]", "c": "<none>"}', '{"a":"display-message","b":"[]","c":""}'),
        ('{"a": <say>, "b": "<say>"}', '{"a":"\\"hi\\"\\n<n>","b":"\\"hi\\"\\n<n>"}'),
        ('{"myStatus": "<command> is in state \\"<type>\\""}',
         '{"myStatus":"display-message is in state \\"customerCreated\\""}'),
        ('{"n": <n>, "t": "<n>", "own": 1e400}',
         '{"n":0.1234567890123456789,"t":"0.1234567890123456789","own":1e400}'),
        ('[<list>, "<list>"]', '[[{"a-b":1},{"a-b":"x"},{}],"[{\\"a-b\\":1},{\\"a-b\\":\\"x\\"},{}]"]'),
        ("<list>", '[{"a-b":1},{"a-b":"x"},{}]'),
        ("<command>", '"display-message"'),
        (' {"a":\n  [ <n> ] }\n', '{"a":[0.1234567890123456789]}'),
        ('{"a": "x < y", "b": "a\\\\<n>"}', '{"a":"x < y","b":"a\\\\0.1234567890123456789"}'),
        ('{"r": <aws.events.rule-name>, "arn": "<aws.events.rule-arn>"}',
         '{"r":"my-rule","arn":"arn:aws:events:eu-west-1:123456789012:rule/my-rule"}'),
        ("<aws.events.event.ingestion-time>", '"2026-01-02T03:04:05.678Z"'),
        ('{"same": true}', '{"same":true}'),
    ],
)  # fmt: skip
def test_templates(template: str, expected: str) -> None:
    written = transformer(template, MAP)
    assert list(faults(written)) == []
    assert body(written) == expected
    assert compile_transform(written).render(EVENT).content_type == JSON_TYPE


def test_several_texts_are_lines() -> None:
    rendered = compile_transform(transformer('"<type> came"\n"on <time>"', MAP)).render(EVENT)
    assert rendered.content.decode() == '"customerCreated came"\n"on 2026-01-02T03:04:05Z"'
    assert rendered.content_type == TEXT_TYPE


def test_the_event_itself_as_a_value() -> None:
    found = json.loads(body(transformer('{"e": <aws.events.event>, "j": <aws.events.event.json>}')))
    assert found["j"] == {**ENVELOPE, "detail": json.loads(DATA)}
    renamed = {("detailType" if name == "detail-type" else name): value for name, value in ENVELOPE.items()}
    assert found["e"] == renamed


def test_an_input_is_the_body() -> None:
    rendered = compile_transform({"input": '{"a": [1,\n 2.0]}'}).render(EVENT)
    assert (rendered.content, rendered.content_type) == (b'{"a": [1,\n 2.0]}', JSON_TYPE)


def test_a_body_that_names_its_rule_is_another_variant_for_each_rule() -> None:
    naming, other = transformer("<aws.events.rule-name>"), transformer("<aws.events.event>")
    assert variant_of(naming, "a") != variant_of(naming, "b")
    assert variant_of(other, "a") == variant_of(other, "b") == compile_transform(other, "c").variant
    assert compile_transform(naming, "a").variant == variant_of(naming, "a")


def refused(written: dict[str, Any]) -> list[tuple[Any, int | None, str, str]]:
    return [(fault.path, fault.offset, fault.message, fault.hint) for fault in faults(written)]


@pytest.mark.parametrize(
    ("path", "offset", "hint"),
    [
        ("detail.x", 0, "such as $.data.URI"),
        ("$detail", 1, "EventBridge's paths have"),
        ("$..x", 1, "name every level"),
        ("$.a['b']", 3, "write names with a dot"),
        ('$.a["b"]', 3, "write names with a dot"),
        ("$.a[?(@.b > 1)]", 3, "no filters"),
        ("$.a[-1]", 3, "EventBridge's paths have"),
        ("$.a[1:2]", 3, "EventBridge's paths have"),
        ("$.a.", 3, "EventBridge's paths have"),
        ("$.a b", 3, "EventBridge's paths have"),
        ("$.*", 1, "such as $.data"),
        ("$[0]", 1, "such as $.data"),
        ("$." + "a" * 255, None, ""),
        (5, None, "such as $.data.URI"),
    ],
)
def test_paths_that_are_refused(path: Any, offset: int | None, hint: str) -> None:
    ((where, at, _, told),) = refused({"input_path": path})
    assert (where, at) == (("input_path",), offset)
    assert hint in told
    ((where, at, _, told),) = refused(transformer("1", {"a": path}))
    assert (where, at) == (("input_transformer", "input_paths_map", "a"), offset)


TEMPLATE = ("input_transformer", "input_template")


@pytest.mark.parametrize(
    ("template", "offset", "message", "hint"),
    [
        ('{"a": <tpye>}', 6, "the template contains invalid placeholder <tpye>", "did you mean 'type'?"),
        ('"<Y>"', 1, "the template contains invalid placeholder <Y>", "input_paths_map says"),
        ('"<aws.events.rule>"', 1, "the template contains invalid", "did you mean 'aws.events.rule-"),
        ("{<type>: 1}", 1, "the placeholder <type> cannot be an object's key", ""),
        ('{"a <type>" : 1}', 4, "the placeholder <type> cannot be an object's key", ""),
        ('{"a": "<aws.events.event>"}', 7, "<aws.events.event> is an object", ""),
        ('"<aws.events.event.json>"', 1, "<aws.events.event.json> is an object", ""),
        ("<type> is in state", 7, "this is no JSON", "double quotes"),
        ('{"a": <type>', 12, "this is no JSON", ""),
        ('{"a": <type> <time>}', 13, "this is no JSON", ""),
        ('{"a": NaN}', 0, "this is no JSON: JSON has no NaN", ""),
        ('"\\<type>"', 1, "this is no JSON", ""),
        ('{"a": 1} {"b": 2}', 9, "EventBridge's templates are one JSON value, or several texts", ""),
        ("<type>\n<time>", 7, "EventBridge's templates are one JSON value, or several texts", ""),
        ("[" * 100_000, None, "EventBridge takes 1 to 8192 characters", ""),
        ("[" * 8_000, 0, "this is no JSON", ""),
        (" ", 1, "this is no JSON", ""),
        ({"a": 1}, None, "input_template is a text that holds JSON", "json takes a structure"),
    ],
)  # fmt: skip
def test_templates_that_are_refused(template: Any, offset: int | None, message: str, hint: str) -> None:
    where, at, what, told = refused(transformer(template, MAP))[0]
    assert (where, at) == (TEMPLATE, offset)
    assert what.startswith(message)
    assert hint in told


@pytest.mark.parametrize(
    ("written", "path", "hint"),
    [
        ({"input_transformer": "x"}, ("input_transformer",), "write it as {input_paths_map"),
        ({"input_transformer": {}}, ("input_transformer",), "write it as"),
        ({"input_transformer": {"input_template": "1", "InputPathsMap": {}}},
         ("input_transformer", "InputPathsMap"), "write input_paths_map"),
        ({"input_transformer": {"input_template": "1", "input_paths_map": []}}, None, ""),
        ({"input_transformer": {"input_template": "1", "input_paths_map": ["$.a"]}},
         ("input_transformer", "input_paths_map"), ""),
        (transformer("1", {"a b": "$.a"}), ("input_transformer", "input_paths_map", "a b"), "letters"),
        (transformer("1", {"aws.x": "$.a"}), ("input_transformer", "input_paths_map", "aws.x"), "letters"),
        (transformer("1", {"a" * 257: "$.a"}), ("input_transformer", "input_paths_map", "a" * 257), "256"),
        (transformer("1", {f"n{n}": "$.a" for n in range(101)}), (*TEMPLATE[:1], "input_paths_map"), ""),
        (transformer("1", {f"n{n}": "$.a" for n in range(100)}), None, ""),
        (transformer('"' + "a" * 8190 + '"'), None, ""),
        (transformer('"' + "a" * 8191 + '"'), TEMPLATE, ""),
        (transformer(""), TEMPLATE, ""),
        ({"InputPath": "$.a"}, ("InputPath",), "write input_path"),
        ({"InputTransformer": {}}, ("InputTransformer",), "write input_transformer"),
        ({"input": {"a": 1}}, ("input",), "constant takes any value"),
        ({"input": "plain text"}, ("input",), "constant takes any text"),
        ({"input": '"' + "a" * 8191 + '"'}, ("input",), ""),
    ],
)  # fmt: skip
def test_shapes_and_bounds(written: dict[str, Any], path: Any, hint: str) -> None:
    found = refused(written)
    if path is None:
        assert found == []
    else:
        assert found[0][0] == path
        assert hint in found[0][3]


def test_only_one_of_them() -> None:
    ((path, _, what, _),) = refused({"input": "1", "input_path": "$.a"})
    assert path == ()
    assert what.endswith("found input and input_path")


def test_pieces_are_the_paths() -> None:
    written = transformer("<a>", {"a": "$.x.y"})
    ((path, offset, part),) = pieces(written)
    assert (path, offset) == (("input_transformer", "input_paths_map", "a"), 0)
    assert getattr(part, "text", None) == "$.x.y"
    assert list(pieces({"input": "1"})) == []


texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@given(values, texts)
def test_whatever_the_event_holds_a_template_makes_json_of_its_own_shape(held: Any, name: str) -> None:
    data = json.dumps({"v": held}).encode()
    event = Event(id="1", source="/s", type="t", subject=name or None, data=data)
    everything = ", ".join(f"<{reserved}>" for reserved in sorted(RESERVED))
    template = f'{{"whole": <v>, "text": "a <v> b <s>", "gone": [<gone>, "<gone>"], "all": [{everything}]}}'
    written = transformer(template, {"v": "$.data.v", "s": "$.subject", "gone": "$.gone.gone"})
    found = json.loads(body(written, event))
    assert found["whole"] == held
    text = held if isinstance(held, str) else None
    if text is not None:
        assert found["text"] == f"a {text} b {name}"
    assert found["gone"] == ["", ""]
    assert len(found["all"]) == len(RESERVED)
    assert found["all"][2]["detail"] == {"v": held}


@given(st.text('{}[]":,\\<a> 1n', max_size=20))
def test_any_template_is_filled_to_json_or_refused(template: str) -> None:
    written = transformer(template, {"a": "$.data"})
    if any(True for _ in faults(written)):
        return
    event = Event(id="1", source="/s", type="t", datacontenttype="text/plain", data=b'"\\<a>}')
    rendered = compile_transform(written).render(event)
    if rendered.content_type == JSON_TYPE:
        json.loads(rendered.content)
    else:
        decoder = json.JSONDecoder()
        text = rendered.content.decode().strip()
        while text:
            line, end = decoder.raw_decode(text)
            assert isinstance(line, str)
            text = text[end:].strip()


@pytest.mark.parametrize("enveloped", [True, False])
def test_what_boto3_sent_is_seen_as_eventbridge_has_it(enveloped: bool) -> None:
    sent = Entry(
        source="my app",
        detail_type="Order Placed",
        detail='{"total": 1.50}',
        resources=["r1", "r2"],
        time=1767323045.0,
    )
    around = Surroundings("123456789012", "eu-west-1", lambda: 0.0, enveloped=enveloped, strict=False)
    event = reading(sent, "id-1", around).event
    expected = (
        '{"version":"0","id":"id-1","detail-type":"Order Placed","source":"my app","account":"123456789012",'
        '"time":"2026-01-02T03:04:05Z","region":"eu-west-1","resources":["r1","r2"],"detail":{"total":1.5}}'
    )
    assert body({"input_path": "$"}, event) == expected
    assert body(transformer("<aws.events.event.json>"), event) == expected
    assert body({"input_path": "$.detail.total"}, event) == "1.5"
    assert body({"input_path": "$.resources[1]"}, event) == '"r2"'
    assert body({"input_path": "$.detail-type"}, event) == '"Order Placed"'
