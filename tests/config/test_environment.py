"""The environment in targets and settings, and secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.environment import Filled, Unfilled, as_written, interpolate
from router.config.model import Shape
from router.config.report import Report
from router.config.secrets import Secret
from router.config.shapes import validate
from router.config.units import Duration
from router.config.yaml import Document, read

ENVIRON = {"HOST": "example.com", "PORT": "8081", "EMPTY": "", "BRACES": "${HOST}"}


def filled(text: str, environ: dict[str, str] | None = None) -> tuple[Any, list[str]]:
    document, problems = read(text.encode(), "x.yml")
    assert problems == []
    report = Report()
    value = interpolate(document, (), document.value, ENVIRON if environ is None else environ, report)
    return value, [str(problem) for problem in report.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://${HOST}:${PORT}/x", "http://example.com:8081/x"),
        ("${GONE:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY:-}", ""),
        ("${HOST:-default}", "example.com"),
        ("${GONE:-http://127.0.0.1:80/$x}", "http://127.0.0.1:80/$x"),
        ("${GONE:-audit/{date}.jsonl}", "audit/{date}.jsonl"),
        ("$${HOST}", "${HOST}"),
        ("$HOST $5 $ {HOST}", "$HOST $5 $ {HOST}"),
        ("${BRACES}", "${HOST}"),
    ],
)
def test_texts_are_filled_in_once(text: str, expected: str) -> None:
    assert filled(f"a: '{text}'") == ({"a": expected}, [])


def test_all_texts_are_filled_in_and_nothing_else() -> None:
    text = "{a: ['${HOST}', {b: '${PORT}'}], '${HOST}': 1, c: true}"
    assert filled(text) == ({"a": ["example.com", {"b": "8081"}], "${HOST}": 1, "c": True}, [])


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("${HOST}:${PORT} ${HOST} ${GONE:-x}", ("HOST", "PORT")),
        ("${EMPTY:-x}$${HOST}", None),
        ("no place", None),
    ],
)
def test_a_text_knows_what_is_in_it(text: str, variables: tuple[str, ...] | None) -> None:
    value = filled(f"a: '{text}'")[0]["a"]
    assert (value.variables if isinstance(value, Filled) else None) == variables
    assert as_written(value) == (text if variables else value)


def test_without_an_environment_texts_stay_as_they_are_and_nothing_is_wrong() -> None:
    document, _ = read(b"{a: ['${HOST}', 'x${'], b: plain}", "x.yml")
    report = Report()
    value = interpolate(document, (), document.value, None, report)
    assert (value, report.problems) == (document.value, ())
    assert [isinstance(text, Unfilled) for text in (*value["a"], value["b"])] == [True, True, False]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: x${GONE}", ("x.yml:1:5: error: the environment variable GONE is not set; "
         "set it, or give it a default: ${GONE:-…}")),
        ("a: ${HOTS}", "x.yml:1:4: error: the environment variable HOTS is not set; did you mean 'HOST'?"),
        ("a: ${EMPTY}", ("x.yml:1:4: error: the environment variable EMPTY is empty; "
         "set it, or give it a default: ${EMPTY:-…}")),
        ("a: '${HOST'", ("x.yml:1:5: error: '${' without a name, or without its '}'; "
         "write ${NAME} or ${NAME:-default}; for the two characters themselves, $${")),
        ("a: ${1X}", ("x.yml:1:4: error: '${' without a name, or without its '}'; "
         "write ${NAME} or ${NAME:-default}; for the two characters themselves, $${")),
    ],
)  # fmt: skip
def test_what_cannot_be_filled_in_is_an_error_at_its_place(text: str, complaint: str) -> None:
    assert filled(text)[1] == [complaint]


def test_a_default_holds_no_other_place() -> None:
    assert [complaint[:13] for complaint in filled("a: ${GONE:-${HOST}}")[1]] == ["x.yml:1:4: er"]


@given(st.text("${}:-ABn "))
def test_no_text_breaks_it(text: str) -> None:
    document = Document("x.yml", {"a": text}, {}, {})
    report = Report()
    value = interpolate(document, (), document.value, {"A": "1"}, report)
    assert "${" in text or value == {"a": text}
    assert all(problem.code == "environment" for problem in report.problems)


class Locked(Shape):
    token: Secret
    level: int = 0


def locked(text: str, folder: Path) -> tuple[Locked | None, list[str]]:
    document, problems = read(text.encode(), str(folder / "x.yml"))
    assert problems == []
    report = Report()
    made = validate(Locked, document.value, document, (), report)
    return made, [problem.message for problem in report.problems]


def test_a_secret_never_shows_itself(tmp_path: Path) -> None:
    made, _ = locked("token: hunter2", tmp_path)
    assert made is not None
    assert made.token.get_secret_value() == "hunter2"
    assert "hunter2" not in f"{made} {made!r} {made.token} {made.model_dump_json()}"


def test_a_secret_may_stand_in_a_file_beside_its_yaml(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hunter2\n")
    made, _ = locked("token: {file: key}", tmp_path)
    assert made is not None
    assert made.token.get_secret_value() == "hunter2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("token: {file: gone}", "cannot be read: No such file or directory"),
        ("token: {file: empty}", "is empty"),
        ("token: {file: binary}", "is not UTF-8 text"),
        ("token: 5", "token: wants a text, or {file: path}"),
        ("token: {fil: key}", "token: wants a text, or {file: path}"),
        ("token: {file: 5}", "token: wants a text, or {file: path}"),
    ],
)
def test_a_secret_that_cannot_be_had_is_an_error(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff")
    made, (complaint,) = locked(text, tmp_path)
    assert made is None
    assert complaint.endswith(message)


def test_reasons_show_what_the_file_says_too() -> None:
    class Timed(Shape):
        timeout: Duration

    document, _ = read(b"timeout: ${T}\n", "x.yml")
    report = Report()
    value = interpolate(document, (), document.value, {"T": "hunter2"}, report)
    assert validate(Timed, value, document, (), report) is None
    assert [problem.message for problem in report.problems] == [
        "timeout: '${T}' is no duration: write 10s, 1m30s, 24h or 7d, with T filled in from the environment"
    ]


def test_problems_show_what_the_file_says_not_what_the_environment_filled_in() -> None:
    class Chosen(Shape):
        mode: Literal["a", "b"] = "a"
        token: Secret | None = None

    document, _ = read(b"mode: ${MODE}\n", "x.yml")
    report = Report()
    value = interpolate(document, (), document.value, {"MODE": "hunter2"}, report)
    assert validate(Chosen, value, document, (), report) is None
    assert [str(problem) for problem in report.problems] == [
        "x.yml:1:7: error: mode: wants 'a' or 'b', found '${MODE}', with MODE filled in from the environment"
    ]
