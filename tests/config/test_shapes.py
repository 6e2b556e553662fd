"""What pydantic finds, at its place and in a person's words."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from router.config.model import Shape
from router.config.problems import ConfigurationProblems, Problem, Severity, did_you_mean
from router.config.report import Report
from router.config.secrets import Secret
from router.config.shapes import described, shown, validate
from router.config.yaml import read


class Bearer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    bearer: str


class Basic(BaseModel):
    model_config = ConfigDict(extra="forbid")
    user: str
    password: str


class Item(Shape):
    size: int = 0
    weight: Annotated[float, Field(ge=0, lt=10)] = 0


class Inner(Shape):
    tokens: list[Annotated[Secret, Field(description="several")]] | None = None


class Model(Shape):
    name: str
    within: Annotated[int, Field(alias="for")] = 1
    ready: bool = False
    mode: Literal["fast", "slow"] = "fast"
    items: list[Item] = Field(default_factory=list)
    listed: list[Annotated[Item, Field(description="a thing")]] = Field(default_factory=list)
    by_name: dict[str, Item] = Field(default_factory=dict)
    auth: Bearer | Basic | None = None
    words: list[str] = Field(default_factory=list)
    modes: list[Literal["fast", "slow"]] = Field(default_factory=list)
    tokens: list[Secret] = Field(default_factory=list)
    inner: Inner = Field(default_factory=Inner)
    rows: list[dict[str, Secret]] = Field(default_factory=list)

    @field_validator("name")
    @classmethod
    def _not_taken(cls, name: str) -> str:
        if name == "taken":
            raise ValueError(f"{name!r} is taken")
        return name


KEYS = "auth, by_name, for, inner, items, listed, mode, modes, name, ready, rows, tokens, words"


def complaints(text: str) -> list[str]:
    document, problems = read(f"it:\n  {text}".encode(), "x.yml")
    assert problems == []
    report = Report()
    made = validate(Model, document.value["it"], document, ("it",), report)
    assert (made is None) is bool(report.problems)
    return [str(problem).removeprefix("x.yml:") for problem in report.problems]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{}", "2:3: error: it: the key 'name' is missing"),
        ("{nmae: a, name: b}", "2:4: error: it.nmae: unknown key 'nmae'; did you mean 'name'?"),
        ("{name: a, zzz: b}", ("2:13: error: it.zzz: unknown key 'zzz'; "
         f"the keys here are {KEYS}")),
        ("{name: a, within: 1}", ("2:13: error: it.within: unknown key 'within'; "
         f"the keys here are {KEYS}")),
        ("{name: [a]}", "2:10: error: it.name: wants a text, found a list"),
        ("{name: 12}", "2:10: error: it.name: wants a text, found a number"),
        ("{name: }", "2:10: error: it.name: wants a text, found nothing"),
        ("{name: taken}", "2:10: error: it.name: 'taken' is taken"),
        ("{name: a, for: x}", "2:18: error: it.for: wants a whole number, found a text"),
        ("{name: a, for: 1.5}", "2:18: error: it.for: wants a whole number, found a number"),
        ("{name: a, ready: yes}", "2:20: error: it.ready: wants true or false, found a text; write true"),
        ("{name: a, ready: 'false'}",
         "2:20: error: it.ready: wants true or false, found a text; leave the quotes out"),
        ("{name: a, ready: True}",
         "2:20: error: it.ready: wants true or false, found a text; write true"),
        ("{name: a, ready: 'Off'}",
         "2:20: error: it.ready: wants true or false, found a text; write false"),
        ("{name: a, ready: maybe}", "2:20: error: it.ready: wants true or false, found a text"),
        ("{nmae: a}", "2:4: error: it.nmae: unknown key 'nmae'; did you mean 'name'?"),
        ("{name: a, ready: 1}", "2:20: error: it.ready: wants true or false, found a number"),
        ("{name: a, mode: fats}",
         "2:19: error: it.mode: wants 'fast' or 'slow', found 'fats'; did you mean 'fast'?"),
        ("{name: a, mode: [x]}", "2:19: error: it.mode: wants 'fast' or 'slow', found a list"),
        ("{name: a, items: x}", "2:20: error: it.items: wants a list, found a text; write [x]"),
        ("{name: a, words: x}", "2:20: error: it.words: wants a list, found a text; write [x]"),
        ("{name: a, modes: fast}", "2:20: error: it.modes: wants a list, found a text; write [fast]"),
        ("{name: a, tokens: hush}", "2:21: error: it.tokens: wants a list, found a text; write […]"),
        ("{name: a, inner: {tokens: hush}}",
         "2:29: error: it.inner.tokens: wants a list, found a text; write […]"),
        ("{name: a, rows: hush}", "2:19: error: it.rows: wants a list, found a text; write […]"),
        ("{name: a, items: [{size: 1}, {siez: 2}]}",
         "2:33: error: it.items.1.siez: unknown key 'siez'; did you mean 'size'?"),
        (
            "{name: a, listed: [{weihgt: 1}]}",
            "2:23: error: it.listed.0.weihgt: unknown key 'weihgt'; did you mean 'weight'?",
        ),
        ("{name: a, items: [1]}", "2:21: error: it.items.0: wants a mapping, found a number"),
        ("{name: a, by_name: {x: {size: true}}}",
         "2:33: error: it.by_name.x.size: wants a whole number, found true or false"),
        ("{name: a, by_name: {x: {sizee: 1}}}",
         "2:27: error: it.by_name.x.sizee: unknown key 'sizee'; did you mean 'size'?"),
        ("{name: a, items: [{weight: -1}]}", "2:30: error: it.items.0.weight: must be at least 0"),
        ("{name: a, items: [{weight: 10}]}", "2:30: error: it.items.0.weight: must be less than 10"),
    ],
)  # fmt: skip
def test_every_fault_has_its_place_and_its_words(text: str, complaint: str) -> None:
    assert complaints(text) == [complaint]


def test_a_key_is_missing_unless_it_was_meant_by_another_one() -> None:
    assert [problem.partition(";")[0] for problem in complaints("{zzz: a}")] == [
        "2:3: error: it: the key 'name' is missing",
        "2:4: error: it.zzz: unknown key 'zzz'",
    ]


def test_entries_of_lists_are_called_by_their_names() -> None:
    document, _ = read(b"it: [{name: a, x: [1]}, {name: A b}, {name: 5}, 7, [{name: c}]]", "x.yml")
    paths: list[tuple[str | int, ...]] = [(0, "name"), (0, "x", 0), (1, "name"), (2,), (3,), (4, 0)]
    assert [shown(document, ("it", *path)) for path in paths] == [
        "it.a.name", "it.a.x.0", "it.1.name", "it.2", "it.3", "it.4.c",
    ]  # fmt: skip


def test_all_faults_are_found() -> None:
    assert len(complaints("{for: x, ready: 5, mode: z, items: [{siez: 1}, 3], other: 1}")) == 7


def test_members_of_unions_do_not_confuse_places() -> None:
    found = complaints("{name: a, auth: {beaer: x}}")
    assert "2:20: error: it.auth.beaer: unknown key 'beaer'; did you mean 'bearer'?" in found
    assert all(problem.startswith(("2:19", "2:20")) for problem in found)


def test_no_value_is_ever_shown_only_its_kind() -> None:
    assert "hunter2" not in str(complaints("{name: [hunter2], for: hunter2, ready: hunter2}"))


def test_kinds_of_values_have_names() -> None:
    assert list(map(described, (None, True, "x", 1, 1.5, [], {}))) == [
        "nothing", "true or false", "a text", "a number", "a number", "a list", "a mapping",
    ]  # fmt: skip


def test_a_report_sorts_and_says_nothing_twice() -> None:
    late, early = (Problem("a.yml", line, 2, Severity.ERROR, "c", "m") for line in (10, 9))
    warning = Problem("a.yml", 1, 1, Severity.WARNING, "c", "m", "h")
    missing = Problem("b", 0, 0, Severity.ERROR, "file", "gone")
    report = Report()
    report.extend([missing, late, early, warning, late])
    assert report.problems == (warning, early, late, missing)
    assert report.errors == (early, late, missing)
    with pytest.raises(ConfigurationProblems) as raised:
        report.raise_for_errors()
    assert raised.value.problems == report.problems
    assert raised.value.message == (
        "a.yml:1:1: warning: m; h\na.yml:9:2: error: m\na.yml:10:2: error: m\nb: error: gone"
    )


def test_warnings_alone_let_the_router_run() -> None:
    report = Report()
    report.extend([Problem("a.yml", 1, 1, Severity.WARNING, "c", "m")])
    report.raise_for_errors()


def test_a_problem_is_plain_data_for_programs() -> None:
    assert Problem("a", 1, 2, Severity.ERROR, "c", "m", "h").as_dict() == {
        "file": "a", "line": 1, "column": 2, "severity": "error", "code": "c", "message": "m", "hint": "h",
    }  # fmt: skip


def test_nothing_near_is_no_hint() -> None:
    assert did_you_mean("zebra", ["audit", "console"]) == ""
    assert did_you_mean("x", []) == ""
