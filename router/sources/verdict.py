"""The extension `verdict`: what a cloud's moderation says, in one word for all clouds.

`pass`, `review` or `block`. What nobody can be sure of is `review`, and `verdictreason` says why: `failed`, a
job that did not do its work, whatever else its payload says; `missing`, a moderation event without a result
that can be read. Only a result in a known word, of a job that says that it is done and of which nothing says
that it failed, is a `pass`. Any other job may still condemn (a live stream is moderated while it runs), but
not acquit: its `pass` is no result yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

PASS = "pass"  # noqa: S105 (a verdict, no password)
REVIEW = "review"
BLOCK = "block"

_FAILED = {"verdict": REVIEW, "verdictreason": "failed"}
_MISSING = {"verdict": REVIEW, "verdictreason": "missing"}

_MILD_TO_HARSH = (PASS, REVIEW, BLOCK)

_RESULTS = {0: PASS, 1: BLOCK, 2: REVIEW}
"""Tencent's numbers, which do not rise with severity."""

_FROZEN = ("ForbidState", "forbidden_status")
"""Tencent's words for what became of the file: 0 nothing, 1 frozen, 2 moved."""

_WHY = ("ErrorCode", "FailReason")
"""Further words for an error, whichever cloud uses them."""

_DONE = frozenset(("success", "succeeded", "true"))
_FAILURES = frozenset(("failed", "failure", "fail", "error", "false"))
_NO_ERROR = frozenset(("", "0", "200", "ok", "success", "succeeded"))
"""What clouds write where a job has no error: IMM nothing or `200`, Tencent `0` or `Success`."""


def imm(type: str, data: Any) -> dict[str, str]:  # noqa: A002 (the attribute's name)
    """The extensions of an event of Alibaba's Intelligent Media Management.

    A moderation event is one whose type names Moderation: `imm:Task:ImageModeration`,
    `imm:Task:VideoModeration`, and what may come. Its outcome stands in `Status`, `State` or `Success`, and
    in `Code`; its result in `Suggestion`. Each documented sample has an outcome: one without is not done.

    Args:
        type: the event's type.
        data: its payload, as JSON values.

    Returns:
        `verdict`, and `verdictreason` where there is one; nothing for an event that is no moderation.
    """
    if not (type.lower().startswith("imm:") and "moderation" in type.lower()):
        return {}
    item: Mapping[str, Any] = data if isinstance(data, dict) else {}
    return _judge(item, ("Status", "State", "Success"), ("Code", *_WHY), {"Suggestion": _word})


def tencent(name: str, item: Mapping[str, Any]) -> dict[str, str]:
    """The extensions of an event of Tencent's Cloud Infinite.

    A moderation event is one whose name names Review. Its outcome stands in `State` and `Code` (Detail), of
    which `State` is always documented, or in `code` (Simple); its result in `Result`, `result` or, of
    documents and web pages, `Suggestion`. Where several are there, the harshest counts. A file that was
    frozen or moved is none that passed: its `pass` is a `review`.

    Args:
        name: the callback's `EventName`, or `event` in its simple form.
        item: the event's payload, with numbers as numbers.

    Returns:
        As `imm`.
    """
    if "review" not in name.lower():
        return {}
    results = dict.fromkeys(("Result", "result", "Suggestion"), _number)
    is_simple = "trace_id" in item and "State" not in item
    states, done = (("code",), _NO_ERROR) if is_simple else (("State",), _DONE)
    found = _judge(item, states, ("Code", "code", *_WHY), results, done)
    if found["verdict"] == PASS and any(_says(item, field) not in ("", "0") for field in _FROZEN):
        return {"verdict": REVIEW}
    return found


def _judge(
    item: Mapping[str, Any],
    states: tuple[str, ...],
    codes: tuple[str, ...],
    results: Mapping[str, Callable[[Any], str | None]],
    done: frozenset[str] = _DONE,
) -> dict[str, str]:
    """What an outcome and a result come to. A field that is null or empty is as good as absent."""
    said = {_says(item, field) for field in states} - {""}
    wrong = {_says(item, field) for field in codes} - _NO_ERROR
    if wrong or said & _FAILURES:
        return dict(_FAILED)
    found = {read(item[field]) for field, read in results.items() if item.get(field) not in (None, "")}
    known = [verdict for verdict in _MILD_TO_HARSH if verdict in found]
    is_done = said and said <= done
    if None in found or not known or (known[-1] == PASS and not is_done):
        return dict(_MISSING)
    return {"verdict": known[-1]}


def _says(item: Mapping[str, Any], field: str) -> str:
    """A field's word in lower case; what is there and no word is one that nobody knows."""
    value = item.get(field)
    if value is None:
        return ""
    return str(value).strip().lower() if isinstance(value, (str, int)) else "?"


def _word(value: Any) -> str | None:
    return value if value in _MILD_TO_HARSH else None


def _number(value: Any) -> str | None:
    return _RESULTS.get(value) if type(value) is int else None
