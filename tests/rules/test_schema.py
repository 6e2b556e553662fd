"""The JSON Schema that editors use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships no types

from router.cli.schema import DIALECT, schema_of
from router.config.yaml import read
from router.targets.registry import Registry, installed_kinds

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([*(ROOT / "rules").glob("*.yml"), *(ROOT / "targets").glob("*.yml")])


@pytest.fixture(scope="module")
def validator() -> Any:
    return Draft202012Validator(schema_of(installed_kinds()))


def faults(validator: Any, text: bytes) -> list[str]:
    return [error.message for error in validator.iter_errors(read(text, "x.yml")[0].value)]


def test_it_is_a_schema() -> None:
    schema = schema_of(installed_kinds())
    assert schema["$schema"] == DIALECT
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_shipped_files_are_valid(validator: Any, file: Path) -> None:
    assert faults(validator, file.read_bytes()) == []


@pytest.mark.parametrize(
    "text",
    [
        b"rules: [{name: a, match: {type: x}, targets: [a, {target: b, transform: {text: c}}]}]",
        b"targets: {a: {http: {url: http://x/, format: '${F:-binary}', timeout: '${T}'}, concurrency: 2}}",
        b"targets: {a: {log: {}, order_by: data.x, on_poison: park}}",
        b"targets: {a: {log: {}, concurrency: '${N}', rate: '${N}/s', retry: {reject: [400, '${M}']}}}",
        b"targets: {a: {log: }, b: {file: {path: x}, retry: {for: 1m30s, attempts: 3}}}",
        b"sources: {a: {kind: alibaba, path: /x}}\nsettings: {listen: {host: '::1', port: 80}, body: 1MB}",
        b"rules:\ntargets:\nsources:\nsettings:",
    ],
)
def test_what_check_takes_is_valid(validator: Any, text: bytes) -> None:
    assert faults(validator, text) == []


@pytest.mark.parametrize(
    "text",
    [
        b"rule: []",
        b"rules: {}",
        b"rules: [{match: {type: x}, targets: [a]}]",
        b"rules: [{name: a, match: {type: x}, targets: []}]",
        b"rules: [{name: A B, match: {type: x}, targets: [a]}]",
        b"rules: [{name: a, mtach: {type: x}, targets: [a]}]",
        b"rules: [{name: a, backstop: yes, targets: [a]}]",
        b"rules: [{name: a, match: x, targets: [a]}]",
        b"rules: [{name: a, match: {type: x}, targets: [{target: b, transform: {txt: c}}]}]",
        b"rules: [{name: a, match: {type: x}, targets: [{target: b, transform: {text: c, json: d}}]}]",
        b"rules: [{name: a, match: {type: x}, targets: [a], tests: [{event: {}, expect: maybe}]}]",
        b"targets: {a: {}}",
        b"targets: {a: {log: {}, file: {path: x}}}",
        b"targets: {a: {kafka: {}}}",
        b"targets: {A: {log: {}}}",
        b"targets: {a: {log: {level: loud}}}",
        b"targets: {a: {http: {url: http://x/, timeout: 10}}}",
        b"targets: {a: {log: {}, retry: {for: soon}}}",
        b"targets: {a: {log: {}, concurrency: many}}",
        b"targets: {a: {log: {}, rate: 50}}",
        b"targets: {a: {log: {}, order_by: x, on_poison: stop}}",
        b"targets: {a: {log: {}, rate: 50/d}}",
        b"targets: {a: {log: {}, retry: {reject: 400}}}",
        b"sources: {a: {path: /x}}",
        b"settings: {listen: {prot: 1}}",
    ],
)
def test_what_check_refuses_is_not(validator: Any, text: bytes) -> None:
    assert faults(validator, text)


def test_a_kind_that_cannot_be_loaded_is_left_out() -> None:
    from importlib.metadata import EntryPoint

    broken = EntryPoint("broken", "router.nowhere:Kind", "router.targets")
    schema = schema_of(
        Registry([broken, *(EntryPoint("log", "router.targets.log:LogKind", "router.targets"),)])
    )
    assert set(schema["properties"]["targets"]["additionalProperties"]["properties"]) == {
        "log",
        "retry",
        "rate",
        "concurrency",
        "order_by",
        "on_poison",
        "dead_letter",
    }
