"""Credentials in Baidu's pushes: found wherever they stand, in whatever stands around them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.sources.baidu_secrets import MAX_TOKENS, redacted
from router.testing.strategies import json_texts

GONE = '"[redacted]"'


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            '{"credentials" : {"a" : "S",\n"b":"S\\"S"} , "c":"x"}',
            '{"credentials" : {"a" : §,\n"b":§} , "c":"x"}',
        ),
        ('{"credentials":["S",{"a":"S"},[17]],"c":1}', '{"credentials":[§,{"a":§},[§]],"c":1}'),
        ('{"credentials":"S","c":"x"}', '{"credentials":§,"c":"x"}'),
        ('{"credentials":null,"c":"x"}', '{"credentials":null,"c":"x"}'),
        ('{"credentials":{},"c":"x"}', '{"credentials":{},"c":"x"}'),
        ('{"CREDENTIALS":{"a":"S"}}', '{"CREDENTIALS":{"a":§}}'),
        (r'{"\u0063red\u0045ntials":{"a":"S"}}', r'{"\u0063red\u0045ntials":{"a":§}}'),
        ('{"sessionToken":"S","accessKeyId":"S"}', '{"sessionToken":§,"accessKeyId":§}'),
        (
            '[{"credentials":{"a":"S"}},{"credentials":{"a":"S"}}]',
            '[{"credentials":{"a":§}},{"credentials":{"a":§}}]',
        ),
        # What is no JSON.
        ('{"credentials":{"a":"S","b":"S', '{"credentials":{"a":§,"b":§'),
        ('{"credentials":{"a":"S\\', '{"credentials":{"a":§'),
        ('{"credentials":{"a":"S",},"c":"x",}', '{"credentials":{"a":§,},"c":"x",}'),
        ('{"credentials":{"a":S,"b" "S":"S"},"c":"x"', '{"credentials":{"a":§,§ §:§},"c":"x"'),
        ('{"credentials":},"c":"x"}', '{"credentials":},"c":"x"}'),
        ('tail of it "secretAccessKey": "S"}}', 'tail of it "secretAccessKey": §}}'),
        # What is none.
        ('{"words":"credentials","a":"x"}', '{"words":"credentials","a":"x"}'),
        ('{"credential":"x","key":"x"}', '{"credential":"x","key":"x"}'),
    ],
)
def test_values_go_and_the_rest_stays(text: str, left: str) -> None:
    assert redacted(text.encode()).decode() == left.replace("§", GONE)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_of_another_encoding_nothing_stays(encoding: str) -> None:
    assert redacted('{"credentials": {"a": "S"}}'.encode(encoding)) == GONE.encode()


def leaves(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: leaves(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [leaves(inner) for inner in value]
    return None if value is None else "[redacted]"


@given(json_texts, json_texts)
def test_json_stays_json_and_nothing_else_changes(secret: bytes, other: bytes) -> None:
    text = b'{"other": %b, "credentials": %b , "z": 1}' % (other, secret)
    left = redacted(text)
    if left == text:
        assert not any(isinstance(leaf, str) for leaf in _flat(json.loads(secret)))
    if b"redential" in other or b"oken" in other or b"ccess" in other:
        return
    assert left.startswith(b'{"other": %b, "credentials":' % other)
    assert left.endswith(b' , "z": 1}')
    expected = {"other": json.loads(other), "credentials": leaves(json.loads(secret)), "z": 1}
    assert json.dumps(json.loads(left)) == json.dumps(expected)  # as texts: NaN and -0 are themselves


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _flat(inner)]
    return [leaf for inner in value for leaf in _flat(inner)] if isinstance(value, list) else [value]


@given(st.binary(max_size=200))
def test_a_secret_never_stays_whatever_stands_before_and_after(noise: bytes) -> None:
    text = b'"credentials":{"secretAccessKey":"SECRET"}'
    assert b"SECRET" not in redacted(noise + text + noise)


@pytest.mark.parametrize(
    "body",
    [
        b'"' * 1_000_000,
        b'"credentials":' * 70_000,
        b'"credentials":{' + b'"a":"b",' * 120_000,
        b'"credentials":"' + b"\\" * 1_000_000,
        b'"credentials"' + b" " * 1_000_000,
        b'"credentials":' + b" " * 1_000_000,
        b'"credentials":"x"' + b" " * 1_000_000,
        b'"credentials":' + b"[" * 1_000_000,
        b'"c' * 500_000,
    ],
    ids=[
        "quotes",
        "names",
        "members",
        "escapes",
        "blanks",
        "more-blanks",
        "blanks-behind",
        "brackets",
        "beginnings",
    ],
)
def test_a_megabyte_takes_no_time(body: bytes) -> None:
    begin = time.process_time()
    redacted(body)
    assert time.process_time() - begin < 0.2


def test_a_full_push_of_credentials_is_looked_through_and_more_goes_whole() -> None:
    names = ("accessKeyId", "secretAccessKey", "sessionToken", "expiration")
    one = json.dumps({"credentials": dict.fromkeys(names, "S")}).encode()
    full = b"[%b]" % b",".join([one] * 1000)
    assert redacted(full) == full.replace(b'"S"', GONE.encode())
    more = b'{"credentials": [%b]}, "a": "b"' % b",".join([b'"S"'] * MAX_TOKENS)
    left = redacted(more)
    assert left.startswith(b'{"credentials": ["[redacted]","[redacted]",')
    assert left.endswith(GONE.encode())
    assert b"S" not in left
