"""The contract of targets lets a sound kind through, and finds what is wrong with others."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread
from pydantic import BaseModel, ConfigDict

import router.testing.targets
from router.config.model import Shape
from router.config.secrets import Secret
from router.targets.base import Delivered, Message, Outcome, RetryLater, Surroundings, Target
from router.testing.targets import Bench, Receipt, TargetContract


class ShelfSettings(Shape):
    password: Secret


class Shelf:
    """Where this kind of target puts things.

    Attributes:
        up: whether it takes anything.
        gate: while it is not set, it takes things and does not say so.
        waits: set while somebody waits for that.
    """

    def __init__(self) -> None:
        self.up = True
        self.receipts: list[Receipt] = []
        self.gate = threading.Event()
        self.gate.set()
        self.waits = threading.Event()

    def put(self, message: Message) -> Outcome:
        self.waits.set()
        self.gate.wait()
        if not self.up:
            return RetryLater("the shelf is locked")
        event, body = message.event, message.body
        content = event.data if body is None else body.content
        self.receipts.append(Receipt(message.id, content, event.attributes()))
        return Delivered()


class ShelfTarget:
    batch = 3
    concurrency = 2

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        return await to_thread.run_sync(self.put, messages, abandon_on_cancel=True)

    def put(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        return [self.shelf.put(message) for message in messages]


class ShelfKind:
    def __init__(self, settings: type[BaseModel], made: Callable[[], Target]) -> None:
        self.settings = settings
        self._made = made

    @asynccontextmanager
    async def open(self, settings: Any, surroundings: Surroundings) -> AsyncIterator[Target]:
        yield self._made()


class ShelfBench(Bench):
    """A shelf; the kind's target and settings may be broken ones."""

    def __init__(
        self,
        folder: Path,
        made: Callable[[Shelf], Target] = ShelfTarget,
        model: type[BaseModel] = ShelfSettings,
    ) -> None:
        self._shelf = Shelf()
        self.kind = ShelfKind(model, lambda: made(self._shelf))
        self.settings = {"password": "s3cret"}
        self.secrets = ("s3cret",)
        self.folder = folder

    def received(self) -> list[Receipt]:
        return self._shelf.receipts

    def go_down(self) -> None:
        self._shelf.up = False

    def come_back(self) -> None:
        self._shelf.up = True

    def stall(self) -> threading.Event:
        self._shelf.waits.clear()
        self._shelf.gate.clear()
        return self._shelf.waits

    def resume(self) -> None:
        self._shelf.gate.set()


class TestShelf(TargetContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        return ShelfBench(tmp_path)


class Forgetful(ShelfTarget):
    def put(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        return super().put(messages)[-1:]


class Reversed(ShelfTarget):
    def put(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        return super().put(list(reversed(messages)))


class Renaming(ShelfTarget):
    def put(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        named = [
            Message(f"{one.id}-{one.attempt}", one.sequence, one.event, one.body, one.rules, 1)
            for one in messages
        ]
        return super().put(named)


class Boastful(ShelfTarget):
    def put(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        super().put(messages)
        return [Delivered() for _ in messages]


class Blocking(ShelfTarget):
    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        return self.put(messages)


class Stubborn(ShelfTarget):
    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        return await to_thread.run_sync(self.put, messages)


class Talkative(ShelfTarget):
    def __repr__(self) -> str:
        return "a shelf, and its password is s3cret"


class LaxSettings(BaseModel):
    model_config = ConfigDict(extra="ignore")
    password: str


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router.testing.targets, "PATIENCE", 0.2)


Law = Callable[[TargetContract, Bench], Awaitable[None]]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("target", "law"),
    [
        (Forgetful, TargetContract.test_a_batch_has_one_outcome_each_and_arrives_in_order),
        (Forgetful, TargetContract.test_a_batch_that_fails_has_one_outcome_each_too),
        (Reversed, TargetContract.test_a_batch_has_one_outcome_each_and_arrives_in_order),
        (Renaming, TargetContract.test_an_attempt_more_has_the_same_id),
        (Boastful, TargetContract.test_what_is_down_is_retried_and_comes_back_by_itself),
        (Boastful, TargetContract.test_it_opens_though_the_far_side_is_down_or_says_why_not),
        (Blocking, TargetContract.test_waiting_for_the_far_side_holds_nobody_else_up),
        (Stubborn, TargetContract.test_waiting_for_the_far_side_holds_nobody_else_up),
        (Talkative, TargetContract.test_secrets_do_not_show_themselves),
    ],
)
def test_what_a_target_gets_wrong_is_found(
    target: Callable[[Shelf], Target], law: Law, tmp_path: Path
) -> None:
    anyio.run(law, TargetContract(), ShelfBench(tmp_path))
    with pytest.raises(AssertionError):
        anyio.run(law, TargetContract(), ShelfBench(tmp_path, target))


def test_what_settings_get_wrong_is_found(tmp_path: Path) -> None:
    contract, bench = TargetContract(), ShelfBench(tmp_path, model=LaxSettings)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        contract.test_an_unknown_setting_is_refused(bench)
    with pytest.raises(AssertionError):
        contract.test_its_settings_have_a_schema(bench)
    with pytest.raises(AssertionError):
        anyio.run(contract.test_secrets_do_not_show_themselves, bench)
