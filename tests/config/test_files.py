"""Which files a deployment has, and what may stand in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config.files import entries, read_files
from router.config.report import Report

WANTED = "a file is a mapping with the keys sources, settings, rules, targets"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(path: str, text: str = "rules:\n") -> None:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def files(*paths: str) -> tuple[list[str], list[str]]:
    report = Report()
    documents = read_files([Path(path) for path in paths], report)
    return [document.file for document in documents], [str(problem) for problem in report.problems]


@pytest.mark.usefixtures("folder")
def test_a_folder_is_read_in_order() -> None:
    for path in (
        "rules/b.yml", "rules/a/z.yaml", "rules/a.yml", "router.yml", "targets/t.yml",
        "targets/deep/er/t.yml",
    ):  # fmt: skip
        put(path)
    assert files(".") == (
        [
            "router.yml",
            "rules/a/z.yaml",
            "rules/a.yml",
            "rules/b.yml",
            "targets/deep/er/t.yml",
            "targets/t.yml",
        ],
        [],
    )


@pytest.mark.usefixtures("folder")
def test_hidden_files_and_strangers_are_left_alone() -> None:
    put("rules/a.yml")
    for path in (
        "rules/.a.yml",
        "rules/..data/a.yml",
        "rules/README.md",
        "rules/a.yml~",
        "other/a.yml",
        "x.yml",
    ):
        put(path, "{")
    Path("rules/folder.yml").mkdir()
    assert files(".") == (["rules/a.yml"], [])


@pytest.mark.usefixtures("folder")
def test_a_hidden_parent_hides_nothing() -> None:
    put(".config/router/rules/a.yml")
    assert files(".config/router") == ([".config/router/rules/a.yml"], [])


@pytest.mark.usefixtures("folder")
def test_files_and_folders_may_be_mixed_and_each_is_read_once() -> None:
    put("one/rules/a.yml")
    put("two.yml")
    Path("link.yml").symlink_to("two.yml")
    assert files("two.yml", "one", "one/rules/a.yml", "link.yml") == (["two.yml", "one/rules/a.yml"], [])


@pytest.mark.usefixtures("folder")
def test_rules_and_targets_may_be_named_by_themselves() -> None:
    put("here/rules/a.yml")
    put("here/rules/deeper/b.yml")
    put("here/targets/c.yml")
    put("here/router.yml")
    assert files("here/rules") == (["here/rules/a.yml", "here/rules/deeper/b.yml"], [])
    assert files("here/targets", "here/rules/deeper/..") == (
        ["here/targets/c.yml", "here/rules/deeper/../a.yml", "here/rules/deeper/../deeper/b.yml"],
        [],
    )


@pytest.mark.usefixtures("folder")
def test_what_is_not_there_is_told() -> None:
    Path("empty").mkdir()
    assert files("gone", "empty", "gone.yml") == (
        [],
        [
            (
                "empty: error: no configuration in this folder; "
                "a deployment has router.yml, rules/*.yml or targets/*.yml"
            ),
            "gone: error: no such file or folder",
            "gone.yml: error: no such file or folder",
        ],
    )


@pytest.mark.usefixtures("folder")
def test_what_cannot_be_read_is_told() -> None:
    put("rules/a.yml")
    Path("rules/gone.yml").symlink_to("nowhere")
    assert files(".") == (
        ["rules/a.yml"],
        ["rules/gone.yml: error: cannot be read: No such file or directory"],
    )


EMPTY = (
    "x.yml: error: is empty; so is a file that is just being written; where nothing is meant, remove it, "
    "or say `{}`"
)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        (
            "- a",
            [f"x.yml:1:1: error: {WANTED}; found a list"],
        ),
        (
            "hello",
            [f"x.yml:1:1: error: {WANTED}; found a text"],
        ),
        ("rule: []", ["x.yml:1:1: error: unknown key 'rule'; did you mean 'rules'?"]),
        ("x: []", ["x.yml:1:1: error: unknown key 'x'; the keys here are sources, settings, rules, targets"]),
        ("rules: {}", ["x.yml:1:8: error: rules: wants a list, found a mapping"]),
        ("targets: []", ["x.yml:1:10: error: targets: wants a mapping, found a list"]),
        ("settings: 5", ["x.yml:1:11: error: settings: wants a mapping, found a number"]),
        ("", [EMPTY]),
        (" \n", [EMPTY]),
        ("# nothing yet", []),
        ("{}", []),
        ("rules:\ntargets:\nsources:\nsettings:", []),
    ],
)
def test_the_top_of_a_file(text: str, complaints: list[str]) -> None:
    put("x.yml", text)
    assert files("x.yml")[1] == complaints


@pytest.mark.usefixtures("folder")
def test_entries_come_from_all_files_with_their_places() -> None:
    put("a.yml", "rules: [x, {y: 1}]\ntargets: {t: 1}")
    put("b.yml", "targets: {u: 2, t: 3}\nrules:\n")
    documents = read_files([Path("a.yml"), Path("b.yml")], Report())
    found = [
        (entry.document.file, entry.path, entry.name, entry.value) for entry in entries(documents, "targets")
    ]
    assert found == [
        ("a.yml", ("targets", "t"), "t", 1),
        ("b.yml", ("targets", "u"), "u", 2),
        ("b.yml", ("targets", "t"), "t", 3),
    ]
    assert [(entry.path, entry.value) for entry in entries(documents, "rules")] == [
        (("rules", 0), "x"),
        (("rules", 1), {"y": 1}),
    ]
