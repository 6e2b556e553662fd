from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.sources import verdict

IMAGE = "imm:Task:ImageModeration"
FAILED = {"verdict": "review", "verdictreason": "failed"}
MISSING = {"verdict": "review", "verdictreason": "missing"}


def plainly(word: str) -> dict[str, str]:
    return {"verdict": word}


@pytest.mark.parametrize("word", ["pass", "review", "block"])
@pytest.mark.parametrize(
    "kind", [IMAGE, "imm:Task:VideoModeration", "imm:Task:TextModeration", "imm:moderation"]
)
@pytest.mark.parametrize(
    "outcome",
    [
        {"Status": "success", "Code": ""},
        {"Status": "Succeeded", "Code": "200"},
        {"State": "Succeeded", "Code": None},
        {"Success": True, "Code": 200},
        {"Status": "", "Success": True},
    ],
)
def test_a_suggestion_of_imm_is_the_verdict(word: str, kind: str, outcome: dict[str, Any]) -> None:
    assert verdict.imm(kind, {"Suggestion": word, **outcome}) == plainly(word)


@pytest.mark.parametrize("suggestion", ["pass", "block", None])
@pytest.mark.parametrize(
    "outcome",
    [
        {"Status": "Failed"},
        {"Status": "failed "},
        {"State": "Failed", "Status": "success"},
        {"Success": False},
        {"Success": "false"},
        {"Status": "success", "Code": "InvalidArgument"},
        {"Code": 400},
        {"Code": {"a": "b"}},
        {"Status": "Running", "Code": "InternalError"},
        {"Status": "success", "ErrorCode": "InternalError"},
        {"Status": "success", "FailReason": "the file is gone"},
    ],
)
def test_a_failed_job_of_imm_is_for_review_whatever_else_it_says(suggestion: Any, outcome: Any) -> None:
    assert verdict.imm(IMAGE, {"Suggestion": suggestion, **outcome}) == FAILED


@pytest.mark.parametrize(
    "data",
    [
        None,
        "Suggestion: pass",
        ["pass"],
        {},
        {"Status": "success"},
        {"Suggestion": None},
        {"Suggestion": ""},
        {"Suggestion": "Pass"},
        {"Suggestion": "normal"},
        {"Suggestion": 0},
        {"Suggestion": ["pass"]},
        {"Suggestion": "pass"},
        {"Suggestion": "pass", "Status": "", "Success": None},
        {"Suggestion": "pass", "Status": "Running"},
        {"Suggestion": "pass", "State": "Suspended"},
        {"Suggestion": "pass", "Status": ["success"]},
        {"Suggestion": "pass", "Success": 0},
    ],
)
def test_without_a_result_that_can_be_read_imm_is_for_review(data: Any) -> None:
    assert verdict.imm(IMAGE, data) == MISSING


@pytest.mark.parametrize("kind", ["imm:Task:AsyncTask", "imm:Binding:Task", "com.example.moderation", ""])
def test_other_events_of_alibaba_have_none(kind: str) -> None:
    assert verdict.imm(kind, {"Suggestion": "pass", "Status": "Failed"}) == {}


@pytest.mark.parametrize(("number", "word"), [(0, "pass"), (1, "block"), (2, "review")])
@pytest.mark.parametrize(
    ("name", "field", "outcome"),
    [
        ("ReviewImage", "Result", {"State": "Success"}),
        ("ReviewImage", "Result", {"State": "Success", "Code": "Success", "ForbidState": 0}),
        ("ReviewImage", "result", {"trace_id": "t", "code": 0, "message": "success", "forbidden_status": 0}),
        ("Review", "result", {"trace_id": "t", "code": 0}),
        ("ReviewDocument", "Suggestion", {"State": "Success"}),
        ("ReviewHtml", "Suggestion", {"State": "Success", "ErrorCode": "", "FailReason": ""}),
    ],
)
def test_tencents_numbers_are_verdicts(
    name: str, field: str, outcome: dict[str, Any], number: int, word: str
) -> None:
    assert verdict.tencent(name, {field: number, **outcome}) == plainly(word)


@pytest.mark.parametrize("results", [{}, {"Result": 0}, {"result": 1}, {"Suggestion": 0}])
@pytest.mark.parametrize(
    "outcome",
    [
        {"State": "Failed"},
        {"State": "failed", "Code": "Success"},
        {"State": "Success", "Code": "DownloadFileError"},
        {"code": -1},
        {"code": 403},
        {"code": "high"},
        {"State": "Success", "ErrorCode": "Boom"},
        {"State": "Success", "FailReason": "the file is gone"},
    ],
)
def test_a_failed_job_of_tencent_is_for_review_whatever_else_it_says(results: Any, outcome: Any) -> None:
    assert verdict.tencent("ReviewVideo", {**results, **outcome}) == FAILED


@pytest.mark.parametrize("outcome", [{}, {"State": ""}, {"Code": "Success"}, {"code": 0}, {"trace_id": "t"}])
def test_a_job_that_does_not_say_that_it_is_done_may_condemn_and_not_acquit(outcome: Any) -> None:
    assert verdict.tencent("ReviewImage", {**outcome, "Result": 0}) == MISSING
    assert verdict.tencent("ReviewImage", {**outcome, "Result": 1}) == plainly("block")


UNFINISHED = ["Submitted", "Snapshoting", "Auditing", "RUNNING", "Pause", "Cancel", "Unheard", 0, ["Success"]]


@pytest.mark.parametrize("state", UNFINISHED)
def test_a_job_that_is_not_finished_may_condemn_and_not_acquit(state: Any) -> None:
    assert verdict.tencent("ReviewVideo", {"State": state}) == MISSING
    assert verdict.tencent("ReviewVideo", {"State": state, "Result": 0}) == MISSING
    assert verdict.tencent("ReviewVideo", {"State": state, "Result": 1}) == plainly("block")
    assert verdict.tencent("ReviewVideo", {"State": state, "Result": 2}) == plainly("review")
    assert verdict.imm(IMAGE, {"Status": state, "Suggestion": "pass"}) == MISSING
    assert verdict.imm(IMAGE, {"Status": state, "Suggestion": "block"}) == plainly("block")


@pytest.mark.parametrize(
    "results",
    [
        {},
        *({"Result": value} for value in (3, -1, "0", False, 0.0, None, [0])),
        {"Result": 0, "Suggestion": 9},
        {"Result": 1, "result": "high"},
    ],
)
def test_without_a_result_that_can_be_read_tencent_is_for_review(results: dict[str, Any]) -> None:
    assert verdict.tencent("ReviewAudio", {"State": "Success", **results}) == MISSING


def test_the_harshest_of_several_results_counts() -> None:
    assert verdict.tencent("ReviewHtml", {"State": "Success", "Result": 0, "Suggestion": 2}) == plainly(
        "review"
    )
    assert verdict.tencent("ReviewHtml", {"Result": 2, "Suggestion": 1}) == plainly("block")


@pytest.mark.parametrize("field", ["ForbidState", "forbidden_status"])
@pytest.mark.parametrize("value", [1, 2, "frozen", {"a": 1}])
def test_a_file_that_was_frozen_did_not_pass(field: str, value: Any) -> None:
    assert verdict.tencent("ReviewImage", {"State": "Success", "Result": 0, field: value}) == plainly(
        "review"
    )
    assert verdict.tencent("ReviewImage", {"Result": 1, field: value}) == plainly("block")
    assert verdict.tencent("ReviewImage", {"State": "Failed", field: value}) == FAILED


@pytest.mark.parametrize("name", ["TaskFinish", "WorkflowFinish", ""])
def test_other_events_of_tencent_have_none(name: str) -> None:
    assert verdict.tencent(name, {"Result": 0, "State": "Failed"}) == {}


def test_a_verdict_is_its_events_own() -> None:
    verdict.imm(IMAGE, {})["verdict"] = "pass"
    assert verdict.imm(IMAGE, {}) == MISSING


_words = st.sampled_from(
    [
        "pass",
        "Pass",
        "review",
        "block",
        "success",
        "Succeeded",
        "Failed",
        "FAILED",
        "Running",
        "",
        "200",
        "0",
        "Error",
    ]
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | _words | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
_fields = [
    "Suggestion",
    "Status",
    "State",
    "Success",
    "Code",
    "code",
    "Result",
    "result",
    "ForbidState",
    "trace_id",
]
payloads = st.dictionaries(st.sampled_from(_fields) | st.text(max_size=5), _values, max_size=6)


def known(found: dict[str, str]) -> bool:
    return found in (FAILED, MISSING, *map(plainly, ("pass", "review", "block")))


@given(_values | payloads, st.sampled_from([IMAGE, "imm:Task:VideoModeration"]))
def test_imm_passes_only_what_says_pass_and_nothing_that_says_failed(data: Any, kind: str) -> None:
    found = verdict.imm(kind, data)
    assert known(found)
    if found["verdict"] == "pass":
        assert data["Suggestion"] == "pass"
        assert any(_said(data, name) for name in ("Status", "State", "Success"))
        assert all(
            re.fullmatch(r"(?i)|\s*(success|succeeded|true)\s*", _said(data, name)) for name in _fields[1:4]
        )
        assert re.fullmatch(r"(?i)\s*(|0|200|ok|success|succeeded)\s*", _said(data, "Code"))


@given(payloads, st.sampled_from(["ReviewImage", "ReviewDocument", "Review", "LiveReview"]))
def test_tencent_passes_only_what_says_zero_and_nothing_that_says_failed(data: Any, name: str) -> None:
    found = verdict.tencent(name, data)
    assert known(found)
    if found["verdict"] == "pass":
        results = [
            data[field] for field in ("Result", "result", "Suggestion") if data.get(field) not in (None, "")
        ]
        assert results
        assert all(type(result) is int and result == 0 for result in results)
        done = re.fullmatch(r"(?i)\s*(success|succeeded|true)\s*", _said(data, "State"))
        assert done or ("trace_id" in data and _said(data, "code"))
        assert _said(data, "ForbidState") in ("", "0")
        assert not data.get("code") or _said(data, "code") != "1"


@given(payloads, st.sampled_from(["Failed", "failed", " FAILED", "Failure", "error"]))
def test_one_word_of_failure_outweighs_everything(data: dict[str, Any], word: str) -> None:
    for field in ("Status", "State"):
        assert verdict.imm(IMAGE, data | {field: word}) == FAILED
    assert verdict.imm(IMAGE, data | {"Success": False}) == FAILED
    assert verdict.tencent("ReviewImage", data | {"State": word}) == FAILED
    assert verdict.tencent("ReviewImage", data | {"code": 7}) == FAILED


def _said(data: dict[str, Any], field: str) -> str:
    value = data.get(field)
    return "" if value is None else str(value)
