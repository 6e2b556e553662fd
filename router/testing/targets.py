"""What every kind of target must do, whatever it delivers to.

    class TestMyKind(TargetContract):
        @pytest.fixture
        def bench(self, tmp_path: Path) -> Bench:
            return MyBench(tmp_path)

`router.targets.base` says what each part of a target is for.
"""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

import anyio
import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from router.errors import ConfigurationError
from router.targets.base import (
    Body,
    Delivered,
    Doubtful,
    Exclusive,
    Message,
    Outcome,
    Rejected,
    RetryLater,
    Surroundings,
    Target,
)
from router.testing.bench import EXACT, Bench, Receipt, message

__all__ = ["Bench", "Receipt", "TargetContract"]


PATIENCE = 10.0
"""Seconds after which a target that stands still has failed."""


def _forms(content: bytes | None) -> list[bytes | None]:
    """The content; where it is no text, its base64 will do; HTTP cannot tell an empty one from none."""
    if not content:
        return [content, None]
    try:
        content.decode()
    except UnicodeDecodeError:
        return [content, b64encode(content)]
    return [content]


class TargetContract:
    """The tests; a subclass has a fixture `bench`."""

    @pytest.fixture
    def bench(self) -> Bench:
        """What this is all about."""
        raise NotImplementedError

    @pytest.fixture
    def anyio_backend(self) -> tuple[str, dict[str, bool]]:
        """The event loop that the router runs on."""
        return "asyncio", {"use_uvloop": True}

    def open(self, bench: Bench) -> AbstractAsyncContextManager[Target]:
        """The bench's target."""
        return bench.kind.open(bench.read(), Surroundings("bench", bench.folder, loopback=True))

    async def arrives(self, bench: Bench, sent: Message) -> Receipt:
        """What of a message is at the far side."""
        async with self.open(bench) as target:
            assert [type(outcome) for outcome in await target.deliver([sent])] == [Delivered]
        receipts = bench.received()
        assert [receipt.id for receipt in receipts] == [sent.id]
        return receipts[0]

    def test_an_unknown_setting_is_refused(self, bench: Bench) -> None:
        """A misspelt key must not be passed over."""
        with pytest.raises(ValidationError, match="nonsense"):
            bench.read(nonsense=1)

    def test_its_settings_have_a_schema(self, bench: Bench) -> None:
        """Editors use it."""
        schema = bench.kind.settings.model_json_schema()
        assert set(bench.settings) <= set(schema["properties"])
        assert schema.get("additionalProperties") is False

    def test_settings_are_equal_when_they_are_read_again(self, bench: Bench) -> None:
        """A reload closes and opens what is not equal."""
        assert bench.read() == bench.read()

    def test_a_claim_is_of_the_form_what_which_and_stays(self, bench: Bench) -> None:
        """Two targets that claim the same text are refused at `check` (`router.targets.base.Exclusive`)."""
        read = bench.read()
        claim = read.claim() if isinstance(read, Exclusive) else None
        if claim is not None:
            what, _, which = claim.partition(" ")
            assert what.isalpha()
            assert which
            assert bench.read().claim() == claim

    @pytest.mark.anyio
    async def test_secrets_do_not_show_themselves(self, bench: Bench) -> None:
        """Settings, targets and outcomes stand in logs and dead letters."""
        read = bench.read()
        shown = [repr(read), str(read), read.model_dump_json()]
        if isinstance(read, Exclusive):
            shown.append(str(read.claim()))
        if isinstance(read, Doubtful):
            shown += map(str, read.doubts(loopback=False))
        with capture_logs() as log:
            async with self.open(bench) as target:
                shown += [repr(target), repr(await _outcomes(target, [message()]))]
                bench.go_down()
                shown.append(repr(await _outcomes(target, [message()])))
                bench.come_back()
        shown += map(repr, log)
        assert [secret for secret in bench.secrets if any(secret in text for text in shown)] == []

    @pytest.mark.anyio
    async def test_opening_and_closing_delivers_nothing(self, bench: Bench) -> None:
        """A reload opens targets for which there may be nothing to do."""
        async with self.open(bench) as target:
            assert target.batch >= 1
            assert target.concurrency >= 1
        assert bench.received() == []

    @pytest.mark.anyio
    async def test_a_batch_has_one_outcome_each_and_arrives_in_order(self, bench: Bench) -> None:
        """However many of them are in it, up to the target's own `batch`."""
        everything: list[Message] = []
        async with self.open(bench) as target:
            for size in sorted({1, min(2, target.batch), (target.batch + 1) // 2, target.batch}):
                messages = [message(b"%d" % number) for number in range(size)]
                outcomes = await target.deliver(messages)
                assert [type(outcome) for outcome in outcomes] == [Delivered] * size
                everything += messages
        assert [receipt.id for receipt in bench.received()] == [sent.id for sent in everything]

    @pytest.mark.anyio
    async def test_a_batch_that_fails_has_one_outcome_each_too(self, bench: Bench) -> None:
        """Or an exception: then nobody knows, and all are tried again."""
        async with self.open(bench) as target:
            messages = [message() for _ in range(target.batch)]
            bench.go_down()
            outcomes = await _outcomes(target, messages)
            bench.come_back()
        assert [type(outcome) for outcome in outcomes] == [RetryLater] * len(messages)
        assert bench.received() == []

    @pytest.mark.anyio
    async def test_as_many_calls_at_once_as_it_says_it_takes(self, bench: Bench) -> None:
        """And more: a user may give the target another `concurrency`."""
        outcomes: list[Outcome] = []

        async def call(sent: Message) -> None:
            outcomes.extend(await target.deliver([sent]))

        async with self.open(bench) as target:
            messages = [message() for _ in range(4 * target.concurrency)]
            async with anyio.create_task_group() as tasks:
                for sent in messages:
                    tasks.start_soon(call, sent)
        assert [type(outcome) for outcome in outcomes] == [Delivered] * len(messages)
        assert sorted(receipt.id for receipt in bench.received()) == sorted(sent.id for sent in messages)

    @pytest.mark.anyio
    async def test_a_json_payload_arrives_token_by_token(self, bench: Bench) -> None:
        """Numbers keep their digits, keys their order."""
        receipt = await self.arrives(bench, message(EXACT))
        assert receipt.content == EXACT

    @pytest.mark.anyio
    async def test_attributes_arrive(self, bench: Bench) -> None:
        """Whatever script they are in, and whatever the far side's syntax."""
        attributes = {
            "id": "bücher/éè 100% \"quoted\" 'n' \\",
            "source": "/日本/🎬?a=b&c",
            "subject": "a,b;c %41 \u00a0",
            "time": "2026-11-22T01:02:03.123456789+08:00",
            "dataschema": "https://example.com/schema#1",
            "extensions": {"verdict": "block", "number": 7, "flag": True, "text": "ünïcode 🎬"},
        }
        sent = message(EXACT, attributes=attributes)
        receipt = await self.arrives(bench, sent)
        expected = sent.event.attributes()
        carried = expected.keys() if bench.carries is None else bench.carries
        assert receipt.attributes == {name: expected[name] for name in carried}

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("data", "content_type"),
        [
            (b'"text"', None),
            (b"null", "application/json"),
            (b'{"a":"\xc3\xa9\xf0\x9f\x8e\xac"}', "application/vnd.example+json; charset=utf-8"),
            ("ünïcode 🎬\r\nsecond line\n".encode(), "text/plain; charset=utf-8"),
            (b"", "text/plain"),
            (b"\x00\xff\xfe\r\n\x80", "application/octet-stream"),
            (b"<a>\n\t<b/>\n</a>", "application/xml"),
            (None, None),
        ],
    )
    async def test_payloads_of_all_sorts_arrive(
        self, bench: Bench, data: bytes | None, content_type: str | None
    ) -> None:
        """JSON, text, bytes, nothing."""
        receipt = await self.arrives(bench, message(data, content_type))
        assert receipt.content in _forms(data)

    @pytest.mark.anyio
    async def test_a_pretty_printed_payload_arrives(self, bench: Bench) -> None:
        """Lines in it end nothing."""
        pretty = b'{\r\n  "a": [\n\t1.0,\n\t2\n  ],\r\n  "b": "x  y"\n}\n'
        receipt = await self.arrives(bench, message(pretty))
        assert receipt.content is not None
        assert receipt.content.strip() in {pretty.strip(), b'{"a": [1.0,2],"b": "x  y"}'}

    @pytest.mark.anyio
    @pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/octet-stream"])
    async def test_a_payload_of_a_megabyte_arrives(self, bench: Bench, content_type: str) -> None:
        """That is what the router takes, unless its user says otherwise."""
        data = b'"%s"' % (b"0123456789abcdef" * 65_536)
        receipt = await self.arrives(bench, message(data, content_type))
        assert receipt.content is not None
        expected = data if bench.most is None else data[: bench.most]
        assert receipt.content[: len(expected)] == expected
        assert len(receipt.content) <= len(expected) + 10

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        "body",
        [
            Body(EXACT, "application/json"),
            Body("Blocked: ünï\n«line two»".encode(), "text/plain; charset=utf-8"),
            Body(b"<a>1</a>", "application/xml"),
            Body(b"\xff\x00", "application/octet-stream"),
            Body(b"", "text/plain"),
        ],
        ids=lambda body: body.content_type,
    )
    async def test_a_transformed_body_arrives_instead_of_the_event(self, bench: Bench, body: Body) -> None:
        """What a rule's transform made."""
        receipt = await self.arrives(bench, message(b'{"not":"this"}', body=body))
        assert receipt.content in _forms(body.content)

    @pytest.mark.anyio
    async def test_an_attempt_more_has_the_same_id(self, bench: Bench) -> None:
        """It is how the far side recognises what it has already."""
        first = message()
        second = Message(first.id, first.sequence, first.event, first.body, first.rules, 2)
        async with self.open(bench) as target:
            await target.deliver([first])
            await target.deliver([second])
        assert [receipt.id for receipt in bench.received()] == [first.id, first.id]

    @pytest.mark.anyio
    async def test_it_goes_on_after_it_was_closed_and_opened_again(self, bench: Bench) -> None:
        """As at a reload, and at a restart."""
        messages = [message(), message()]
        for sent in messages:
            async with self.open(bench) as target:
                await target.deliver([sent])
        assert [receipt.id for receipt in bench.received()] == [sent.id for sent in messages]

    @pytest.mark.anyio
    @pytest.mark.parametrize("turns", [0, 1, 2, 5])
    async def test_cancelling_a_call_breaks_nothing(self, bench: Bench, turns: int) -> None:
        """Whether the cancelled message arrived nobody knows; what comes after it does arrive."""
        later = message()
        async with self.open(bench) as target:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(target.deliver, [message()])
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            assert [type(outcome) for outcome in await target.deliver([later])] == [Delivered]
        assert later.id in {receipt.id for receipt in bench.received()}

    @pytest.mark.anyio
    async def test_waiting_for_the_far_side_holds_nobody_else_up(self, bench: Bench) -> None:
        """The event loop is everybody's; and a call that is cancelled ends, though nobody answers it."""
        waits = bench.stall()
        overdue = threading.Event()

        def give_up() -> None:
            overdue.set()
            bench.resume()

        alarm = threading.Timer(PATIENCE, give_up)
        alarm.start()
        later = message()
        try:
            async with self.open(bench) as target:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(target.deliver, [message()])
                    await anyio.to_thread.run_sync(waits.wait, PATIENCE)
                    tasks.cancel_scope.cancel()
                assert not overdue.is_set(), "the event loop stood still, or the call did not end"
                bench.resume()
                assert [type(outcome) for outcome in await target.deliver([later])] == [Delivered]
        finally:
            alarm.cancel()
            bench.resume()
        assert later.id in {receipt.id for receipt in bench.received()}

    @pytest.mark.anyio
    @pytest.mark.parametrize("place", ["id", "source", "subject", "datacontenttype"])
    async def test_line_breaks_in_an_attribute_smuggle_nothing_in(self, bench: Bench, place: str) -> None:
        """It arrives, or is rejected; no second message comes of it."""
        hostile = 'x\r\nwebhook-id: forged\r\n\r\n{"id":"forged"}\nforged'
        bad = message(b"payload", "text/plain", attributes={place: hostile})
        good = message()
        async with self.open(bench) as target:
            outcome = (await target.deliver([bad]))[0]
            await target.deliver([good])
        assert isinstance(outcome, Delivered | Rejected)
        expected = [bad.id, good.id] if isinstance(outcome, Delivered) else [good.id]
        assert [receipt.id for receipt in bench.received()] == expected

    @pytest.mark.anyio
    async def test_what_is_down_is_retried_and_comes_back_by_itself(self, bench: Bench) -> None:
        """With a reason for the person who asks; an exception would do, too."""
        before, during, after = message(), message(), message()
        async with self.open(bench) as target:
            await target.deliver([before])
            bench.go_down()
            outcomes = await _outcomes(target, [during])
            assert [type(outcome) for outcome in outcomes] == [RetryLater]
            assert isinstance(outcomes[0], RetryLater)
            assert outcomes[0].reason
            bench.come_back()
            assert [type(outcome) for outcome in await target.deliver([after])] == [Delivered]
        assert [receipt.id for receipt in bench.received()] == [before.id, after.id]

    @pytest.mark.anyio
    async def test_it_opens_though_the_far_side_is_down_or_says_why_not(self, bench: Bench) -> None:
        """A router that starts, or reloads, tells its user what is wrong; nothing else may come of it."""
        first, during, last = message(), message(), message()
        async with self.open(bench) as target:  # once before: some far sides are made by the first delivery
            await target.deliver([first])
        bench.go_down()
        try:
            async with self.open(bench) as target:
                assert [type(outcome) for outcome in await _outcomes(target, [during])] == [RetryLater]
        except ConfigurationError as error:
            assert error.message.isprintable()
        bench.come_back()
        async with self.open(bench) as target:
            assert [type(outcome) for outcome in await target.deliver([last])] == [Delivered]
        assert [receipt.id for receipt in bench.received()] == [first.id, last.id]


async def _outcomes(target: Target, messages: Sequence[Message]) -> Sequence[Outcome]:
    """What became of them, as the router takes it: after an exception nobody knows, and all are retried."""
    try:
        return await target.deliver(messages)
    except Exception as error:  # noqa: BLE001 (that is the contract)
        return [RetryLater(repr(error)) for _ in messages]
