"""Whatever was let in can be looked into."""

from __future__ import annotations

import doctest
import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.events import Event, EventError, TooMuchError, json_text, model
from router.events.http import decode_binary, encode_structured
from router.events.json_format import decode
from router.events.model import SHOWN, cut, hold_to

_digits = st.text("0123456789", min_size=1, max_size=5) | st.integers(0, 400).map(lambda count: "7" * count)
_long_digits = _digits | st.integers(1, 2000).map(lambda count: "0" * count + "1")

numbers = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "-"]),
        st.just("0") | _digits.map(lambda text: text.lstrip("0") or "0"),
        st.just("") | _long_digits.map(lambda text: "." + (text or "0")),
        st.just("")
        | st.builds(
            "".join,
            st.tuples(
                st.sampled_from("eE"), st.sampled_from(["", "+", "-"]), st.text("0123456789", min_size=1)
            ),
        ),
    ),
)
"""Numbers by JSON's grammar alone (RFC 8259, section 6), whether or not anything can hold them."""


def binary(payload: bytes) -> Event:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
    return decode_binary({**headers, "content-type": "application/json"}, payload)


@given(numbers)
@example("1e-99999999999999999999")
@example("0e99999999999999999999")
@example("0E-400")
@example("-0")
@example("-0.0e+0")
@example("1E400")
@example("-1E-400")
@example("4.9e-324")
@example("1.7976931348623157e308")
@example("1.7976931348623159e308")
@example("9" * 309)
@example("9" * 4300)
@example("9" * 4301)
@example("0." + "0" * 5000 + "1e5000")
@example("9" * 400 + ".5")
def test_every_number_that_is_let_in_can_be_read_again(number: str) -> None:
    payload = f'{{"n": [{number}]}}'.encode()
    try:
        event = binary(payload)
    except EventError as error:
        assert error.message == "line 1, column 8: a number too large to be read"  # noqa: PT017 (may be let in too)
        assert too_large(number)
        return
    assert event.view()["data"] == event.value() == {"n": [json.loads(number)]}
    # Its spelling is never touched, wherever it goes.
    assert event.data == payload
    assert decode(encode_structured(event)[1]).data == payload


def too_large(number: str) -> bool:
    if number.lstrip("-").isdigit():
        return len(number.lstrip("-")) > 4300
    return math.isinf(float(number))


@pytest.mark.parametrize("number", ["1e-99999999999999999999", "0e99999999999999999999", "1e-400", "-0.0"])
def test_what_is_too_small_for_a_double_is_the_nearest_one(number: str) -> None:
    assert binary(number.encode()).value() == 0.0


def test_nothing_that_is_let_in_is_nested_too_deep_to_be_read_again() -> None:
    deep = b"[" * json_text.MAX_DEPTH + b"]" * json_text.MAX_DEPTH
    assert binary(deep).value() == json.loads(deep)
    with pytest.raises(EventError):
        binary(b"[" + deep + b"]")


@given(st.text(max_size=200))
def test_what_a_message_repeats_is_short_and_on_one_line(text: str) -> None:
    short = cut(text)
    assert short.isprintable()
    assert len(short) <= SHOWN + 1
    if text.isprintable() and len(text) <= SHOWN:
        assert short == text
    else:
        assert short != text


def test_a_request_of_too_many_events_is_told_how_many_it_holds() -> None:
    hold_to(3, 3)
    with pytest.raises(TooMuchError) as caught:
        hold_to(3, 4)
    assert caught.value.status == 413
    assert caught.value.message == "4 events in one request; at most 3 are taken at once, so send fewer"


def test_the_examples_in_its_documentation_are_true() -> None:
    failed, tried = doctest.testmod(model)
    assert (failed, tried > 1) == (0, True)
