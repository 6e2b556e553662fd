"""Kinds of anybody's: what is wrong with one is told to those who use it, and to nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from router.cli.schema import schema_of
from router.config.report import Report
from router.config.yaml import read
from router.main import SOURCES
from router.plugins import KindError
from router.settings import Settings, read_settings
from router.sources import registry as sources
from router.sources.cloudevents import CloudEventsSource
from router.targets import registry as targets
from router.targets.log import LogKind
from router.targets.spec import read_targets


def kinds_of_source(**values: str) -> sources.Registry:
    own = {"cloudevents": "router.sources.cloudevents:CloudEventsSource"}
    return sources.Registry(
        EntryPoint(name, value, sources.GROUP) for name, value in {**own, **values}.items()
    )


def settings(text: str, kinds: sources.Registry) -> tuple[Settings, list[str]]:
    document, problems = read(text.encode(), "x.yml")
    assert problems == []
    report = Report()
    found = read_settings([document], kinds, {}, report)
    return found, [str(problem) for problem in report.problems]


def test_the_built_in_sources_are_installed_like_any_others() -> None:
    assert set(sources.USUAL) <= set(SOURCES)
    assert SOURCES["cloudevents"] is CloudEventsSource
    assert all(SOURCES[kind]().kind == kind for kind in sources.USUAL)
    assert SOURCES.get("unheard-of") is None


def test_a_source_of_anybodys_is_used_like_the_built_in_ones() -> None:
    kinds = kinds_of_source(plain="tests.broken_kinds:PlainSource")
    found, problems = settings(
        "sources: {mine: {kind: plain, token: t}, other: {kind: plain, path: /o}}", kinds
    )
    assert problems == []
    assert [(one.name, one.kind, one.paths, one.verifies) for one in found.sources] == [
        ("mine", "plain", ("/plain",), True),
        ("other", "plain", ("/o",), False),
    ]


def test_a_package_that_is_installed_opens_no_door_by_itself() -> None:
    found, problems = settings("{}", kinds_of_source(plain="tests.broken_kinds:PlainSource"))
    assert ([one.kind for one in found.sources], problems) == (["cloudevents"], [])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("tests.nowhere:Source", "cannot be loaded from tests.nowhere:Source: No module named"),
        ("tests.broken_kinds:Gone", "cannot be loaded from tests.broken_kinds:Gone: module"),
        ("tests.broken_kinds:RaisingKind", "it is no kind of source"),
        ("tests.broken_kinds:RaisingShapeSource", "is broken: KeyError: 'broken'"),
        ("tests.broken_kinds:RaisingSource", "is broken: RuntimeError: no source"),
    ],
)
def test_a_broken_source_is_a_problem_of_its_users_alone(value: str, message: str) -> None:
    kinds = kinds_of_source(broken=value)
    assert settings("sources: {a: {kind: cloudevents}}", kinds)[1] == []
    found, (problem,) = settings("sources: {a: {kind: broken}, b: {kind: cloudevents}}", kinds)
    assert problem.startswith("x.yml:1:21: error: the kind of source 'broken' ")
    assert message in problem
    assert problem.endswith("; mend or reinstall the package it comes from")
    assert [one.name for one in found.sources] == ["b"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "LonelySource",
            "the kind of source 'broken' wants the kind 'missing' beside it, which is not installed;",
        ),
        ("RaisingCompanionSource", "the kind of source 'broken' is broken: RuntimeError: no companion;"),
    ],
)
def test_a_source_without_what_it_wants_beside_it_is_a_problem_at_its_place(kind: str, message: str) -> None:
    kinds = kinds_of_source(broken=f"tests.broken_kinds:{kind}")
    found, (problem,) = settings("sources: {a: {kind: broken}, b: {kind: cloudevents}}", kinds)
    assert problem.startswith(f"x.yml:1:21: error: {message}")
    assert "b" in [one.name for one in found.sources]


@pytest.mark.parametrize(
    ("kind", "message"),
    [("RaisingKind", "is broken: KeyError: 'x'"), ("ClaimingKind", "is broken: RuntimeError: no claim")],
)
def test_a_target_whose_code_is_broken_is_a_problem_at_its_place(kind: str, message: str) -> None:
    document, _ = read(
        b"targets: {a: {broken: {%b}}, b: {log: {}}}" % (b"word: x" * ("Rai" in kind)), "x.yml"
    )
    points = {"broken": f"tests.broken_kinds:{kind}", "log": "router.targets.log:LogKind"}
    report = Report()
    registry = targets.Registry(EntryPoint(name, value, targets.GROUP) for name, value in points.items())
    found = read_targets([document], registry, {}, report)
    (problem,) = map(str, report.problems)
    assert problem.startswith(f"x.yml:1:15: error: the kind of target 'broken' {message}")
    assert found["b"] is not None


def test_the_routers_own_words_are_its_own() -> None:
    log = [
        EntryPoint("log", value, targets.GROUP) for value in ("stranger:Kind", "router.targets.log:LogKind")
    ]
    assert isinstance(targets.Registry(log).kind("log"), LogKind)
    assert isinstance(targets.Registry(reversed(log)).kind("log"), LogKind)


def test_two_packages_with_one_word_stand_in_each_others_way() -> None:
    registry = targets.Registry(EntryPoint("mail", value, targets.GROUP) for value in ("b:Kind", "a:Kind"))
    with pytest.raises(KindError) as caught:
        registry.kind("mail")
    assert (caught.value.message, caught.value.hint) == (
        "several packages announce the kind of target 'mail': a:Kind and b:Kind",
        "uninstall all but one of them",
    )


def test_what_cannot_be_described_is_left_out_of_the_schema() -> None:
    points = {
        "log": "router.targets.log:LogKind",
        "odd": "tests.broken_kinds:UndescribableKind",
        "gone": "tests.nowhere:Kind",
    }
    schema = schema_of(
        targets.Registry(EntryPoint(name, value, targets.GROUP) for name, value in points.items())
    )
    kinds = schema["properties"]["targets"]["additionalProperties"]["properties"]
    assert "log" in kinds
    assert not {"odd", "gone"} & set(kinds)


@pytest.mark.parametrize("raised", ["SystemExit('bye')", "GeneratorExit('bye')", "BaseException('bye')"])
def test_a_module_does_not_end_the_router(
    raised: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    module = f"leaving_{raised.partition('(')[0].lower()}"
    (tmp_path / f"{module}.py").write_text(f"raise {raised}\n", encoding="utf-8")
    registry = targets.Registry([EntryPoint("mail", f"{module}:Kind", targets.GROUP)])
    with pytest.raises(KindError) as caught:
        registry.kind("mail")
    told = f"cannot be loaded from {module}:Kind: {raised.replace(chr(39), '').replace('(', ': ')[:-1]}"
    assert caught.value.message.endswith(told)


def test_whoever_is_at_the_keyboard_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "interrupted_kind.py").write_text("raise KeyboardInterrupt\n", encoding="utf-8")
    registry = targets.Registry([EntryPoint("mail", "interrupted_kind:Kind", targets.GROUP)])
    with pytest.raises(KeyboardInterrupt):
        registry.kind("mail")


@pytest.fixture
def broken_package(tmp_path: Path) -> dict[str, str]:
    """An environment with a package whose kinds cannot be imported."""
    folder = tmp_path / "site" / "broken-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[router.targets]\nbroken = nowhere:Kind\n[router.sources]\nbroken = nowhere:Source\n"
    )
    return dict(os.environ) | {"PYTHONPATH": str(folder.parent)}


@pytest.mark.parametrize(
    ("module", "why"), [(None, "No module named 'nowhere'"), ("raise SystemExit('bye')", "SystemExit: bye")]
)
def test_a_broken_package_harms_nobody_who_does_not_use_it(
    broken_package: dict[str, str], tmp_path: Path, module: str | None, why: str
) -> None:
    if module is not None:
        (tmp_path / "site" / "nowhere.py").write_text(module, encoding="utf-8")

    def router(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "router", *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=broken_package, cwd=tmp_path
        )

    text = "rules: [{name: r, match: {type: t}, targets: [it]}]\n"
    (tmp_path / "fine.yml").write_text(f"{text}targets: {{it: {{log: {{}}}}}}\n")
    (tmp_path / "used.yml").write_text(
        f"{text}targets: {{it: {{broken: {{}}}}}}\nsources: {{s: {{kind: broken}}}}\n"
    )
    assert router("check", "fine.yml").stderr == ""
    assert router("schema").returncode == 0
    used = router("check", "used.yml")
    assert used.returncode == 2
    for word, value in (("target", "nowhere:Kind"), ("source", "nowhere:Source")):
        told = f"the kind of {word} 'broken' cannot be loaded from {value}: {why}"
        assert f"{told}; mend or reinstall the package it comes from" in used.stderr
