from __future__ import annotations

import pytest

from router.config.files import read_document
from router.config.report import Report
from router.operations import order
from router.operations.deliveries import page
from router.operations.order import marked, waiting
from router.operations.questions import DeliveryQuery
from router.rules.load import load
from router.rules.model import Deployment
from router.store.base import Settlement, State, Store
from router.targets.registry import installed_kinds
from tests.operations.archive import kill, routed

pytestmark = pytest.mark.anyio


def ordered(on_poison: str) -> Deployment:
    """A deployment whose target `hook` keeps the order of subjects, and `audit` none."""
    text = f"""
rules: [{{name: all, match: {{type: "*"}}, targets: [hook, audit]}}]
targets:
  hook: {{log: {{}}, order_by: subject, on_poison: {on_poison}}}
  audit: {{log: {{}}}}
"""
    report = Report()
    document = read_document(text.encode(), "router.yml", report)
    assert document is not None
    made = load([document], installed_kinds(), {}, report)
    assert made is not None, report.problems
    return made


async def filled(store: Store) -> list[str]:
    """Events of the subjects a, b, a, (none), b, a: the first is dead, the second to be tried again."""
    await store.append(
        [routed(n, "hook", subject=key) for n, key in enumerate(["a", "b", "a", None, "b", "a"])]
    )
    await kill(store, "hook", 1)
    (retried,) = await store.claim("hook", 1)
    await store.settle([Settlement(delivery=retried, state=State.RETRYING, due=2e9)])
    await store.claim("hook", 2)
    return [one.id for one in (await page(store, DeliveryQuery())).deliveries]


@pytest.mark.parametrize(
    ("on_poison", "after_dead", "blocked"),
    [("block", {2: 0, 5: 0}, {0}), ("park", {2: 0, 5: 0}, set()), ("skip", {5: 2}, set())],
)
async def test_each_waits_for_the_first_of_its_key(
    on_poison: str, after_dead: dict[int, int], blocked: set[int], store: Store
) -> None:
    ids = await filled(store)
    found = await waiting(store, ordered(on_poison).targets["hook"])
    expected = after_dead | {4: 1}  # whatever a dead letter means, a retry is waited for
    assert found.of == {ids[later]: ids[first] for later, first in expected.items()}
    assert found.blocked == {ids[at] for at in blocked}


async def test_a_list_is_marked_as_far_as_it_goes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(store)
    await store.append([routed(6, "audit", subject="a")])
    listed = (await page(store, DeliveryQuery())).deliveries
    found = await marked(store, ordered("block"), listed)
    assert [one.id for one in found] == [one.id for one in listed]
    waits = [one.waits_for for one in found]
    assert waits == [None, None, listed[0].id, None, listed[1].id, listed[0].id, None]
    assert await marked(store, None, listed) == listed
    # No question goes further than a few pages: what lies behind is not known.
    monkeypatch.setattr(order, "PAGE", 2)
    monkeypatch.setattr(order, "MOST_LOOKED", 4)
    waits = [one.waits_for for one in await marked(store, ordered("block"), listed)]
    assert waits == [None, None, listed[0].id, None, None, None, None]
