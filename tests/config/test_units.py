"""Durations, sizes, rates and whole numbers, as people write them."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError

from router.config.model import Shape
from router.config.units import Duration, Size, Whole, seconds, size


class Everything(Shape):
    duration: Annotated[Duration, Field(gt=0)] = 1.0
    size: Size = 1
    whole: Annotated[Whole, Field(ge=1)] = 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10s", 10),
        ("250ms", 0.25),
        ("1m30s", 90),
        ("24h", 86_400),
        ("7d", 604_800),
        ("1.5h", 5_400),
        ("0s", 0),
    ],
)
def test_durations_are_seconds(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("256MB", 256_000_000),
        ("10 GB", 10**10),
        ("1KiB", 1024),
        ("1.5MiB", 1_572_864),
        ("512kB", 512_000),
        ("7B", 7),
    ],
)
def test_sizes_are_bytes(text: str, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize(
    ("text", "read"),
    [
        *((text, seconds) for text in ("", "10", "s", "-1s", "1e3s", "10 s", "1h ", "10sec", "1s\n")),
        *((text, size) for text in ("", "10", "1mb", "MB", "-1MB", "1 MB ", "1Mb")),
    ],
)
def test_what_is_none_says_how_to_write_one(text: str, read: Any) -> None:
    with pytest.raises(ValueError, match="write ") as refused:
        read(text)
    assert repr(text) in str(refused.value)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(["ms", "s", "m", "h", "d"])), min_size=1))
def test_a_duration_is_the_sum_of_its_parts(parts: list[tuple[int, str]]) -> None:
    whole = seconds("".join(f"{amount}{unit}" for amount, unit in parts))
    assert whole == pytest.approx(sum(seconds(f"{amount}{unit}") for amount, unit in parts))


def test_models_get_the_values() -> None:
    read = Everything.model_validate({"duration": "1m", "size": "1kB", "whole": 7})
    assert (read.duration, read.size, read.whole) == (60.0, 1000, 7)


def test_a_whole_number_may_come_from_the_environment() -> None:
    assert Everything.model_validate({"whole": "16"}).whole == 16


@pytest.mark.parametrize(
    "value",
    [
        {"duration": 10}, {"duration": "0s"}, {"size": 10}, {"whole": "1.5"},
        {"whole": 1.5}, {"whole": True}, {"whole": "0"}, {"whole": "x"}, {"whole": "9" * 30},
    ],
)  # fmt: skip
def test_models_refuse_the_rest(value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Everything.model_validate(value)


def test_their_schema_is_of_what_is_written() -> None:
    assert TypeAdapter(Duration).json_schema()["type"] == "string"
    assert TypeAdapter(Size).json_schema()["type"] == "string"
