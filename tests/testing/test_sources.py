"""The contract of sources finds what is wrong with some, and only that."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from router.errors import MessageError
from router.sources.base import Source
from router.sources.cloudevents import CloudEventsSource
from router.testing.sources import Sender, SourceContract
from tests.sources.support import post
from tests.testing import broken_sources as broken

TOKEN = "t0p-s3cret"
EVENT = b'{"specversion":"1.0","id":"1","source":"s","type":"t"}'


def contract(source: type[Source]) -> SourceContract:
    headers = {"content-type": "application/cloudevents+json", "authorization": f"Bearer {TOKEN}"}

    class Held(SourceContract):
        sender = Sender(source, [post(EVENT, headers=headers)], {"token": TOKEN}, [TOKEN])

    return Held()


Law = Callable[[SourceContract], None]


@pytest.mark.parametrize(
    ("source", "law", "error"),
    [
        (broken.Echoing, lambda held: held.test_a_refusal_is_short_whatever_was_sent(b"{" * 900_000, ""),
         AssertionError),
        (broken.Surprising, SourceContract.test_it_reads_events_or_says_what_is_wrong, msgspec.DecodeError),
        (broken.Random, SourceContract.test_a_second_try_holds_the_same_events, AssertionError),
        (broken.Credulous, SourceContract.test_who_has_another_secret_is_turned_away, pytest.fail.Exception),
        (broken.Curious, SourceContract.test_it_asks_nothing_of_the_operating_system, AssertionError),
        (broken.Soft, SourceContract.test_it_is_frozen, AssertionError),
        (broken.Hasty, lambda held: held.test_who_comes_too_much_is_told_when_to_come_again(5), KeyError),
        (broken.Shown, SourceContract.test_secrets_do_not_show_themselves, AssertionError),
        (broken.Shown, SourceContract.test_an_unknown_setting_is_refused, pytest.fail.Exception),
    ],
    ids=lambda value: getattr(value, "__name__", "law"),
)  # fmt: skip
def test_what_a_source_gets_wrong_is_found(
    source: type[Source], law: Law, error: type[BaseException]
) -> None:
    law(contract(CloudEventsSource))
    with pytest.raises(error):
        law(contract(source))


def test_the_stand_ins_read_what_a_sound_source_reads() -> None:
    """Else what is found may be something else."""
    request = contract(CloudEventsSource).sender.requests[0]
    for source in (broken.Echoing, broken.Surprising, broken.Credulous, broken.Curious, broken.Soft):
        assert source().read(request) == CloudEventsSource().read(request)
        with pytest.raises((MessageError, msgspec.DecodeError)):
            source().read(post(b"{"))
