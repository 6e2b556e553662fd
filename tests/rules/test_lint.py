"""Doubts about rules: what raises none, and what takes one away. Those that are raised: `tests/problems/`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import router.samples
from router.config.files import read_document
from router.config.problems import Severity
from router.config.report import Report
from router.operations.replay import NAME, ORIGINAL
from router.rules.lint.patterns import EXTENSIONS, is_slip
from router.rules.lint.vocabulary import WORDS, is_of_cloud
from router.rules.load import load
from router.sources.tencent import TencentSource
from router.sources.verdict import imm
from router.targets.registry import installed_kinds
from router.targets.trace import PARENT, STATE
from tests.sources.support import events, sent


def doubts(rule: str, targets: str = "{one: {log: {}}}") -> list[str]:
    text = f"rules: [{{name: a, targets: [one], {rule}}}]\ntargets: {targets}"
    report = Report()
    document = read_document(text.encode(), "x.yml", report)
    assert document is not None
    assert load([document], installed_kinds(), {}, report) is not None, report.problems
    assert all(problem.severity is Severity.WARNING for problem in report.problems)
    return [problem.message for problem in report.problems]


@pytest.mark.parametrize(
    "match",
    [
        "type: imm:Task:*",
        "type: [com.example.*, com.*.created, '*.created', 'imm:*:Video*', '*']",
        "source: [/cameras/, /cameras/*/front/, 'https://example.com/*', acs.*]",
        "subject: ['acs:oss:cn:*', images/a.b.png, 'a (1).png', 'a+b', 'C$/x']",
        "type: {wildcard: 'imm:.*'}",
        "type: {exactly: '^imm$'}",
        "type: [{prefix: imm}, {anything-but: {wildcard: 'imm:*'}}]",
        "data: {URI: [{wildcard: '*.mp4'}, {exactly: '*'}]}",
        "data.URI: {anything-but: [a, b]}",
        "data: {in.gt: 5, Score.in: [1]}",
        "data: {not: {Status: x}}",
        "data: {name: x, date: y, typ: z, ids: [1]}",
        "data: {done: [true, false, 'True', \"no\", maybe]}",
        "data: [null]",
        "data: {x: null}",
        "verdict: block",
        "$or: [{verdict: block}, {data: {$or: [{x: 1}, {y: 2}]}}]",
        "traceparent: {exists: true}",
        "verdictreason: failed, ciformat: json, cicontentversion: '1', aliyunregionid: x, replayname: x",
        "status: done, tenant: a, x: 1, priority: high",  # extensions of the sender's own
    ],
)
def test_what_is_meant_raises_no_doubt(match: str) -> None:
    assert doubts(f"match: {{{match}}}") == []


@pytest.mark.parametrize(
    "where",
    [
        "data.Suggestion == 'block'",
        "data.a == data.b && verdict == 'block'",
        "contains(data.URI, 'x') || length(data.Frames[?Rate > `1`].Label) > `0`",
        "data.Frames[?Rate > `1` && Label == 'x'] | [0].Label",
        "{Title: data.Title, x: type}",
        "data.{Title: Title, x: [Label, URI]}.Title",
        "data.Frames[].[Label, Rate]",
        "map(&Label, data.Frames) && sort_by(data.Frames, &Rate)",
        "data.*.Label || data.Frames[*].Label",
        "data.\"content-type\" == 'x'",
        'data.x == data."x-y"',
        "data.Frames[?\"content-type\" == 'x']",
        "data.done == `true` && data.true",
        "@.type",
    ],
)
def test_what_an_expression_means_raises_no_doubt(where: str) -> None:
    assert doubts(f"match: {{type: x}}, where: {json.dumps(where)}") == []


def test_a_long_chain_is_looked_at_whole() -> None:
    where = " || ".join(["type"] * 3000) + " || Title"
    (doubt,) = doubts(f"match: {{type: x}}, where: {where}")
    assert doubt.startswith("where: Title is no attribute")


def test_what_the_router_and_the_clouds_add_to_events_is_known() -> None:
    samples = Path(*router.samples.__path__, "alibaba")
    texts = [path.read_text() for path in samples.rglob("*.json")]
    added = {name for text in texts for name in re.findall(r'"(aliyun[a-z]+)"', text)}
    assert added
    assert {*added, NAME, ORIGINAL, PARENT, STATE, *imm("imm:Task:VideoModeration", {})} <= {*EXTENSIONS}


NEVER = "'verdict' is never 'blocked', it is pass, review or block"


@pytest.mark.parametrize(
    "rule",
    [
        "match: {verdict: blocked}",
        "match: {type: x, verdict: [block, blocked]}",
        "match: {verdict: {anything-but: blocked}}",
        "match: {$or: [{type: x}, {verdict: {exactly: blocked}}]}",
        "match: {type: x}, where: \"data.x && verdict == 'blocked'\"",
        "match: {verdict: blocked}, tests: [{event: {verdict: block}, expect: no-match}]",
    ],
)
def test_a_word_that_no_source_writes(rule: str) -> None:
    assert doubts(rule) == [doubt for doubt in doubts(rule) if doubt.removeprefix("where: ") == NEVER] != []


@pytest.mark.parametrize(
    "rule",
    [
        "match: {verdict: [block, {prefix: blo}, {suffix: iew}, {equals-ignore-case: BLOCK}]}",
        "match: {verdictreason: [failed, missing], ciformat: [xml, json]}",
        "match: {data: {verdict: blocked}, data.verdict: blocked}",
        "match: {type: x}, where: \"data[?verdict == 'blocked'] || data.verdict == 'blocked'\"",
        "match: {verdict: blocked}, tests: [{event: {type: com.example, verdict: blocked}, expect: match}]",
        "match: {verdict: {equals-ignore-case: NO}}, tests: [{event: {verdict: 'NO'}, expect: match}]",
        'match: {verdict: {exists: false}}, where: "verdict == subject || verdict == data.x"',
    ],
)
def test_a_word_that_may_be_meant(rule: str) -> None:
    assert doubts(rule) == []


def test_a_rule_and_its_test_may_be_wrong_alike() -> None:
    test = "tests: [{event: {type: imm:Task:ImageModeration, verdict: blocked}, expect: match}]"
    assert doubts(f"match: {{verdict: blocked}}, {test}") == [
        NEVER,
        f"the test's event is none that this cloud sends: {NEVER}",
    ]


def test_words_are_those_that_the_sources_write() -> None:
    def image(**more: object) -> dict[str, str]:
        return imm("imm:Task:ImageModeration", more)

    said = [image(Status="success", Suggestion=word) for word in ("pass", "review", "block")]
    said += [image(Status="Failed"), image()]
    for name in ("verdict", "verdictreason"):
        assert {one[name] for one in said if name in one} == {*WORDS[name]}
    received = [
        event for one in router.samples.load("tencent") for event in events(TencentSource(), sent(one))
    ]
    assert {event.extensions["ciformat"] for event in received} == {*WORDS["ciformat"]}
    assert all(is_of_cloud(event.type) for event in received)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ("{tpye: x}", "the test's event has an extension 'tpye', and no 'type'"),
        ("{type: x, dta: y}", "the test's event has an extension 'dta', and no 'data'"),
        ("{type: x, verdikt: block}", "the test's event has an extension 'verdikt', and no 'verdict'"),
    ],
)
def test_a_key_of_a_tests_event_that_is_a_slip(event: str, message: str) -> None:
    test = f"tests: [{{event: {event}, expect: no-match}}]"
    assert doubts(f"match: {{type: y}}, {test}") == [message]


@pytest.mark.parametrize(
    ("match", "event"),
    [
        ("{type: x}", "{type: x, types: y, tenant: a, data: {typ: x, tpye: y}}"),
        ("{type: x, data: {a: 1}}", "{type: x, data: {b: 1}, dat: x}"),
        ("{typ: x}", "{typ: x}"),
        ("{type: x}, where: date", "{type: x, date: y}"),
    ],
)
def test_a_key_of_a_tests_event_that_may_be_meant(match: str, event: str) -> None:
    assert doubts(f"match: {match}, tests: [{{event: {event}, expect: no-match}}]") == []


def test_an_attribute_that_the_tests_have_is_meant() -> None:
    assert doubts("match: {typ: x}") == ["CloudEvents has no attribute 'typ'; it would be an extension"]
    test = "tests: [{event: {typ: x}, expect: match}]"
    assert doubts(f"match: {{typ: x}}, {test}") == []


def test_an_attribute_that_only_the_payloads_of_the_tests_have_is_not() -> None:
    test = "tests: [{event: {type: x, data: {done: a, typ: b, text: c}}, expect: match}, %s]"
    only = "{event: {type: x, data: [done]}, expect: no-match}"
    (doubt,) = doubts(f"match: {{done: a}}, {test % only}")
    assert doubt == "'done' is an attribute here, and no event in the rule's tests has it but in its payload"
    assert doubts("match: {data: {done: a}, other: x}, " + test % only) == []
    both = "{event: {type: x, done: b}, expect: no-match}"
    assert doubts(f"match: {{done: a}}, {test % both}") == []


def test_what_is_broken_raises_no_doubt_beside() -> None:
    report = Report()
    text = b'rules: [{name: a, match: {typ: x, data: {a: {numeric: 5}, b: "x*"}}, targets: [one]}]'
    document = read_document(text, "x.yml", report)
    assert document is not None
    assert load([document], installed_kinds(), {}, report) is None
    assert {problem.code for problem in report.problems} == {"pattern", "unknown-target"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("typ", "type"), ("tpe", "type"), ("ype", "type"), ("types", "type"), ("tyype", "type"),
        ("tipe", "type"), ("tyep", "type"), ("ytpe", "type"), ("suject", "subject"), ("di", "id"),
    ],
)  # fmt: skip
def test_a_slip(written: str, meant: str) -> None:
    assert is_slip(written, meant)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("type", "type"), ("uid", "id"), ("mime", "time"), ("tp", "type"), ("epyt", "type"), ("verdict", "id")],
)
def test_another_word(written: str, meant: str) -> None:
    assert not is_slip(written, meant)


@given(st.text("abc", min_size=2, max_size=5), st.data())
def test_every_slip_behind_the_first_letter_is_one(meant: str, data: Any) -> None:
    at = data.draw(st.integers(1, len(meant) - 1))
    for written in (
        meant[:at] + "x" + meant[at:],
        meant[:at] + meant[at + 1 :],
        meant[:at] + "x" + meant[at + 1 :],
    ):
        assert is_slip(written, meant)


@pytest.mark.parametrize(
    "url", ["http://x/$5", "http://x/$metadata", "http://x/$", "http://x/$${NAME}", "http://x/${NAME:-d}"]
)
def test_a_dollar_that_is_no_variable(url: str) -> None:
    assert doubts("match: {type: x}", f"{{one: {{http: {{url: '{url}'}}}}}}") == []
