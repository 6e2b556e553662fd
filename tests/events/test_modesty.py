"""What is called modest is read whole; and so is called what events usually hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.events.json_text import DEEP, is_json
from router.events.modesty import is_modest

_digits = st.integers(1, 320).flatmap(
    lambda length: st.just("7" * length) | st.just("1" + "0" * (length - 1))
)
_fractions = _digits.map(".{}".format) | st.just("")
_exponents = (
    st.tuples(
        st.sampled_from("eE"), st.sampled_from(["", "+", "-"]), st.from_regex(r"[0-9]{1,5}", fullmatch=True)
    ).map("".join)
) | st.just("")
_numbers = st.tuples(st.sampled_from(["", "-"]), _digits, _fractions, _exponents).map("".join)
_around = st.sampled_from(["", " ", '{"a":%s}', "[0,%s,0]", '["e",%s]', '"x"'])


@given(_numbers, _around)
@example("1e309", "%s")
@example("1E309", "%s")
@example("1e+309", "[%s]")
@example("1e0309", "[%s]")
@example("9" * 309, "%s")
@example("9" * 210 + "e99", "[%s]")
@example("9" * 200 + "e99", "[%s]")
@example("1" + "0" * 308 + ".5", '{"a":%s}')
def test_what_is_modest_can_be_read(number: str, around: str) -> None:
    text = (around.replace("%s", number) if "%s" in around else around + number + around).encode()
    if is_modest(text, DEEP):
        assert is_json(text) or not is_json(text.replace(number.encode(), b"0"))


@pytest.mark.parametrize(
    "number", ["1e309", "-1E+309", "1e00309", "9" * 309, "9" * 250 + "e60", "1" * 199 + "e110"]
)
def test_a_number_beyond_a_double_is_never_modest(number: str) -> None:
    for before in range(120):
        assert not is_modest(b'["%b",%b]' % (b"x" * before, number.encode()), DEEP)


@pytest.mark.parametrize("depth", [DEEP - 1, DEEP])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"":', b"}")])
def test_it_tells_how_deep_a_text_may_nest(opening: bytes, closing: bytes, depth: int) -> None:
    text = opening * depth + b"0" + closing * depth
    assert is_modest(text, DEEP) == (depth < DEEP)


@pytest.mark.parametrize(
    "value",
    [
        {"Suggestion": "block", "rate": 0.9299999999999999, "offset": 1_666_060_800_000, "tiny": 1e-7},
        {"time": "2026-01-31T08:30:00.125Z", "size": 12_345_678_901_234_567_890},
        [{"label": "porn", "score": 99, "urls": ["oss://media/holiday.mp4"] * 20}] * 20,
        "a",
        {},
    ],
)
def test_usual_payloads_are_modest(value: object) -> None:
    assert is_modest(json.dumps(value).encode(), DEEP)
