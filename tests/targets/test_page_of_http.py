"""targets/README.md explains every key under `auth`, `sign` and `handshake`, and shows each at work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel, RootModel

from router.targets.auth.spec import Auth
from router.targets.handshake import Handshake
from router.targets.signing import Signing

PAGE = (Path(__file__).parents[2] / "targets/README.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel) and not issubclass(one, RootModel):
            yield one


def keys(model: type[BaseModel], path: str) -> Iterator[str]:
    """Every key, as `auth.basic.user`."""
    for name, field in model.model_fields.items():
        here = f"{path}.{field.alias or name}"
        yield here
        for inner in models(field.annotation):
            yield from keys(inner, here)


KEYS = [*keys(Auth, "auth"), *keys(Signing, "sign"), *keys(Handshake, "handshake")]


def shown_at_work() -> set[str]:
    """Every key that an example has."""
    found: set[str] = set()

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for key, held in value.items():
                here = f"{path}.{key}" if path else key
                found.add(here)
                walk(held, here)

    for fence in FENCES:
        for target in (yaml.safe_load(fence).get("targets") or {}).values():
            walk(target.get("http") or {}, "")
    return found


def test_there_are_keys() -> None:
    assert {"auth.oauth.token_url", "sign.standard-webhooks", "handshake.rate"} <= set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_explained(key: str) -> None:
    assert re.search(rf"^\| [^|]*`{re.escape(key)}`[^|]*\|", PAGE, re.MULTILINE)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_shown_at_work(key: str) -> None:
    assert key in shown_at_work()
