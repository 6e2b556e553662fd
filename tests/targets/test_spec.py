"""Targets as the configuration has them, and the kinds they may be of."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from router.config.report import Report
from router.config.yaml import read
from router.plugins import KindError
from router.targets.http_settings import HttpSettings
from router.targets.log import LogKind, LogSettings
from router.targets.registry import GROUP, Registry, installed_kinds
from router.targets.spec import Retry, TargetSpec, read_targets


def targets(
    text: str, registry: Registry | None = None, environ: dict[str, str] | None = None
) -> tuple[dict[str, TargetSpec | None], list[str]]:
    document, problems = read(f"targets:\n  {text}".encode(), "x.yml")
    assert problems == []
    report = Report()
    found = read_targets([document], registry or installed_kinds(), environ or {}, report)
    return found, [str(problem).removeprefix("x.yml:") for problem in report.problems]


def target(text: str, environ: dict[str, str] | None = None) -> TargetSpec:
    found, problems = targets(f"it: {text}", environ=environ)
    assert problems == []
    spec = found["it"]
    assert spec is not None
    return spec


def test_a_kind_alone_is_enough() -> None:
    spec = target("{log: {}}")
    assert (spec.name, spec.kind, spec.settings, spec.concurrency) == ("it", "log", LogSettings(), None)
    assert spec == target("{log: }")


def test_the_usual_retry_policy() -> None:
    retry = target("{log: {}}").retry
    assert (retry.within, retry.attempts, retry.first, retry.most) == (86_400, 185, 1, 600)
    assert retry.reject == [400, 413, 415, 422]
    assert retry == Retry()


def test_what_is_final_may_be_said() -> None:
    assert target("{log: {}, retry: {reject: [404, '${STATUS}']}}", {"STATUS": "410"}).retry.reject == [
        404,
        410,
    ]
    assert target("{log: {}, retry: {reject: []}}").retry.reject == []


def test_everything_may_be_said() -> None:
    spec = target(
        "{http: {url: 'http://[::1]/', timeout: 2s}, retry: {for: 1h, attempts: 3, first: 10ms, most: 1m}, "
        "rate: 90/m, concurrency: 4, order_by: data.project, on_poison: park}"
    )
    assert isinstance(spec.settings, HttpSettings)
    assert spec.settings.timeout == 2
    assert (spec.retry.within, spec.retry.attempts, spec.retry.first, spec.retry.most) == (3600, 3, 0.01, 60)
    assert (spec.rate, spec.concurrency) == (1.5, 4)
    assert (spec.order_by, spec.on_poison) == ("data.project", "park")


def test_the_environment_comes_in_everywhere() -> None:
    spec = target(
        "{http: {url: 'http://${HOST}/${PATH:-x}'}, retry: {for: '${FOR}', attempts: '${TIMES}'}, "
        "concurrency: '${N:-2}'}",
        {"HOST": "127.0.0.1", "FOR": "2m", "TIMES": "7"},
    )
    assert isinstance(spec.settings, HttpSettings)
    assert str(spec.settings.url) == "http://127.0.0.1/x"
    assert (spec.retry.within, spec.retry.attempts, spec.concurrency) == (120, 7, 2)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("it: {log: {}, retry: {attempts: 0}}", "2:35: error: targets.it.retry.attempts: must be at least 1"),
        ("it: {log: {}, retry: {for: 0s}}", "2:30: error: targets.it.retry.for: must be more than 0"),
        ("it: {log: {}, retry: {form: 1s}}",
         "2:25: error: targets.it.retry.form: unknown key 'form'; did you mean 'for'?"),
        ("it: {log: {}, retry: 5}", "2:24: error: targets.it.retry: wants a mapping, found a number"),
        ("it: {log: {}, retry: {first: 2m, most: 1m}}",
         "2:24: error: targets.it.retry: first (2m) is longer than most (1m)"),
        ("it: {log: {}, retry: {reject: 404}}",
         "2:33: error: targets.it.retry.reject: wants a list, found a number"),
        ("it: {log: {}, retry: {reject: [200]}}",
         "2:34: error: targets.it.retry.reject.0: must be at least 300"),
        ("it: {log: {}, retry: {reject: [400, gone]}}",
         "2:39: error: targets.it.retry.reject.1: wants a whole number, found a text"),
        ("it: {log: {}, rate: 50}",
         "2:23: error: targets.it.rate: wants a rate such as 50/s, 100/m or 1000/h"),
        ("it: {log: {}, rate: 50/d}",
         "2:23: error: targets.it.rate: '50/d' is no rate: write 50/s, 100/m or 1000/h"),
        ("it: {log: {}, rate: 0/s}",
         "2:23: error: targets.it.rate: '0/s' would let nothing through; leave it out, or write more"),
        ("it: {log: {}, concurrency: 0}", "2:30: error: targets.it.concurrency: must be at least 1"),
        ("it: {log: {}, concurrency: 1.5}",
         "2:30: error: targets.it.concurrency: wants a whole number, found a number"),
        ("it: {log: {}, order_by: data.}", "2:27: error: targets.it.order_by: the expression ends too early"),
        ("it: {log: {}, order_by: lenght(data)}",
         "2:27: error: targets.it.order_by: there is no function lenght(); did you mean 'length'?"),
        ("it: {log: {}, order_by: subject, on_poison: stop}",
         "2:47: error: targets.it.on_poison: wants 'block', 'park' or 'skip', found 'stop'"),
        ("it: {log: {}, on_poison: skip}",
         "2:7: error: targets.it: on_poison says how an order is kept, and there is none; add order_by"),
        ("it: {log: {}, priority: 5}", ("2:17: error: targets.it: unknown key 'priority'; "
         "beside its kind, a target has retry, rate, concurrency, order_by, on_poison and dead_letter")),
        ("it: {http: {url: 'http://x/'}, timeout: 5s}",
         "2:34: error: targets.it: unknown key 'timeout'; it belongs under http"),
        ("it: {log: {}, file: {path: a}}",
         "2:17: error: the target 'it' has several kinds: log and file; make two targets of it"),
        ("it: {retry: {for: 1h}}",
         "2:3: error: the target 'it' has no kind; the kinds here are file, http, log"),
        ("it: {file: }", "2:14: error: targets.it.file: the key 'path' is missing"),
        ("it: {log: [1]}", "2:13: error: targets.it.log: wants a mapping, found a list"),
        ("It: {log: {}}",
         "2:3: error: 'It' is no name: lower-case letters and digits, single dashes between them"),
        ("a--b: {log: {}}",
         "2:3: error: 'a--b' is no name: lower-case letters and digits, single dashes between them"),
        (f"{'a' * 65}: {{log: {{}}}}",
         "2:3: error: 'aaaaaaaaaaaa'… is too long: a name has at most 64 characters"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_target(text: str, complaint: str) -> None:
    found, complaints = targets(text)
    assert complaints == [complaint]
    assert len(found) == 1


def test_a_broken_target_is_known_by_its_name_all_the_same() -> None:
    found, complaints = targets("{a: {}, b: {log: {}}}")
    assert (found["a"], found["b"] is not None, len(complaints)) == (None, True, 1)


def test_a_target_defined_in_two_files() -> None:
    report = Report()
    documents = [read(b"targets: {it: {log: {}}}", f"{name}.yml")[0] for name in ("a", "b")]
    read_targets(documents, installed_kinds(), {}, report)
    assert [str(problem) for problem in report.problems] == [
        "b.yml:1:11: error: the target 'it' is defined twice; the first one is in a.yml:1"
    ]


def test_values_from_the_environment_stay_out_of_problems() -> None:
    _, (complaint,) = targets("it: {http: {url: '${URL}'}}", environ={"URL": "ftp://hunter2"})
    assert "hunter2" not in complaint
    assert complaint.startswith("2:20: error: targets.it.http.url: ")


@pytest.mark.parametrize(
    ("host", "what"),
    [
        ("hunter2", "has no scheme"),
        ("http://hunter2:http", "has a port that is no number up to 65535"),
        ("http://hunter2 and", "has a space in it"),
        ("http://[hunter2", "has an IPv6 address that is none, or not whole in brackets"),
        ("gopher://hunter2", "has a scheme other than http and https"),
    ],
)
def test_an_address_that_is_none_names_the_variable_that_is_in_it(host: str, what: str) -> None:
    _, (complaint,) = targets("it: {http: {url: '${HOST}/x'}}", environ={"HOST": host})
    assert complaint == (
        f"2:20: error: targets.it.http.url: {what}, with HOST filled in from the environment; "
        "write https://example.com/path"
    )


def test_a_default_is_no_fault_of_the_environment() -> None:
    _, (complaint,) = targets("it: {http: {url: '${HOST:-example.com}/x'}}")
    assert complaint == "2:20: error: targets.it.http.url: has no scheme; write https://example.com/path"


def test_pauses_that_are_upside_down_are_told_as_they_are_written() -> None:
    _, (complaint,) = targets("it: {log: {}, retry: {first: '${FIRST}', most: 90s}}", environ={"FIRST": "2m"})
    assert complaint.endswith("targets.it.retry: first (${FIRST}) is longer than most (90s)")


class TestClaims:
    """What a target has for itself alone."""

    def test_two_targets_cannot_have_one_file(self) -> None:
        found, complaints = targets(
            "{a: {file: {path: x}}, b: {file: {path: y}}, c: {file: {path: '${P}'}}}", environ={"P": "x"}
        )
        (complaint,) = complaints
        assert complaint == (
            "2:52: error: the targets 'a' and 'c' want the same file; "
            "give one of them another; 'a' is in x.yml:2"
        )
        assert all(found.values())

    def test_other_kinds_claim_nothing(self) -> None:
        text = "{a: {http: {url: 'http://x/'}}, b: {http: {url: 'http://x/'}}, c: {log: {}}, d: {log: {}}}"
        assert targets(text)[1] == []

    def test_a_file_that_is_not_known_yet_is_not_claimed_twice(self) -> None:
        _, complaints = targets("{a: {file: {path: 'x${A}'}}, b: {file: {path: 'x${B}'}}}")
        assert [complaint.rpartition(" ")[2] for complaint in complaints] == ["${A:-…}", "${B:-…}"]

    def test_a_kind_of_ones_own_may_claim_something(self) -> None:
        _, complaints = targets(
            "{a: {port: {number: 1}}, b: {port: {number: 1}}, c: {port: }, d: {port: }}",
            points(port="tests.targets.port:PortKind"),
        )
        assert [complaint.partition(";")[0] for complaint in complaints] == [
            "2:32: error: the targets 'a' and 'b' want the same port"
        ]


def points(**values: str) -> Registry:
    return Registry(EntryPoint(name, value, GROUP) for name, value in values.items())


def test_the_built_in_kinds_are_installed_like_any_others() -> None:
    registry = installed_kinds()
    assert {"http", "file", "log"} <= set(registry)
    assert isinstance(registry.kind("log"), LogKind)
    assert registry.kind("log") is registry.kind("log")


def test_a_kind_is_imported_only_when_a_target_asks_for_it() -> None:
    registry = points(log="router.targets.log:LogKind", broken="router.nowhere:Kind")
    found, complaints = targets("it: {log: {}}", registry)
    assert (found["it"] is not None, complaints) == (True, [])


@pytest.mark.parametrize(
    "value", ["router.nowhere:Kind", "router.targets.log:Gone", "router.targets.log:LogTarget"]
)
def test_a_kind_that_cannot_be_loaded_is_a_problem_at_its_place(value: str) -> None:
    _, (complaint,) = targets("it: {broken: {}}", points(broken=value))
    assert complaint.startswith(f"2:8: error: the kind of target 'broken' cannot be loaded from {value}: ")


def test_what_is_no_kind_is_a_problem() -> None:
    with pytest.raises(KindError, match="it is no kind of target"):
        points(x="router.targets.registry:GROUP").kind("x")


def test_an_unknown_kind_has_a_hint() -> None:
    with pytest.raises(KindError) as unknown:
        points(log="router.targets.log:LogKind").kind("lgo")
    assert (unknown.value.message, unknown.value.hint) == (
        "there is no kind of target called 'lgo'",
        "did you mean 'log'?",
    )
