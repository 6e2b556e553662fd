"""Credentials in Baidu's pushes: found wherever they stand, in whatever stands around them."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.sources.baidu import BaiduSource
from router.sources.baidu_redaction import MAX_ESCAPES, MAX_TOKENS
from router.sources.baidu_secrets import redacted
from router.testing.strategies import json_texts
from tests.sources.support import post

GONE = '"[redacted]"'
MARK = re.compile(rb"\[redacted sha256:[0-9a-f]{16}\]")
"""What stands for something whose end nobody knows."""

AK, SK = '"accessKeyId"', '"secretAccessKey"'


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            '{"credentials" : {"accessKeyId" : "S",\n"expiration":"S\\"S"} , "c":"x"}',
            '{"credentials" : {"accessKeyId" : §,\n"expiration":§} , "c":"x"}',
        ),
        ('{"credentials":["S",{"S":"S"},[17]],"c":1}', '{"credentials":[§,{§:§},[§]],"c":1}'),
        ('{"credentials":{"S" : {"S":1}},"c":1}', '{"credentials":{§ : {§:§}},"c":1}'),
        ('{"credentials":"S","c":"x"}', '{"credentials":§,"c":"x"}'),
        ('{"credentials":null,"c":"x"}', '{"credentials":null,"c":"x"}'),
        ('{"credentials":{},"c":"x"}', '{"credentials":{},"c":"x"}'),
        ('{"credentials":{"sessionToken":"S",},"c":"x",}', '{"credentials":{"sessionToken":§,},"c":"x",}'),
        ('{"CREDENTIALS":{"AccessKeyID":"S"}}', '{"CREDENTIALS":{"AccessKeyID":§}}'),
        ('{"sessionToken":"S","accessKeyId":"S"}', '{"sessionToken":§,"accessKeyId":§}'),
        ('{"session_token":"S","SECRET-ACCESS-KEY":"S"}', '{"session_token":§,"SECRET-ACCESS-KEY":§}'),
        ('{"bos_secret_access_key_2":"S","c":"x"}', '{"bos_secret_access_key_2":§,"c":"x"}'),
        (
            '[{"credentials":{"accessKeyId":"S"}},{"credentials":{"accessKeyId":"S"}}]',
            '[{"credentials":{"accessKeyId":§}},{"credentials":{"accessKeyId":§}}]',
        ),
        # Letters that are written as escapes are letters.
        (r'{"\u0063red\u0045ntials":{"S":"S"},"c":"x"}', '{"credEntials":{§:§},"c":"x"}'),
        (r'{"secret\u005faccess\u005Fkey":"S"}', '{"secret_access_key":§}'),
        # What is none.
        ('{"words":"credentials","a":"x"}', '{"words":"credentials","a":"x"}'),
        ('{"object":"my/credentials-1.txt","a":"x"}', '{"object":"my/credentials-1.txt","a":"x"}'),
        ('{"object":"my/credentials=1/a","a":"x"}', '{"object":"my/credentials=1/a","a":"x"}'),
        ('{"credential":"x","key":"x"}', '{"credential":"x","key":"x"}'),
        (r'{"a":"\u0041"}', r'{"a":"\u0041"}'),
        ("credential: x", "credential: x"),
    ],
)
def test_in_json_values_go_and_the_rest_stays(text: str, left: str) -> None:
    assert redacted(text.encode()).decode() == left.replace("§", GONE)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (r'{"xVars":"{\"saveUrl\":\"x\",\"credentials\":{\"secretAccessKey\":\"S\"}}","c":"x"}', 11),
        (r'{"x":"{\"y\":\"{\\\"credentials\\\":{\\\"a\\\":\\\"S\\\"}}\"}","c":"x"}', 1),
        (r'{"x":"{\"secretAccessKey\" : \"S\"}","c":"x"}', 1),
        (r"""{"x":"{'credentials':{'a':'S'}}","c":"x"}""", 1),
        (r'{"x":"a=b&secretAccessKey=S","c":"x"}', 1),
        (r'{"x":"<accessKeyId>S</accessKeyId>","c":"x"}', 1),
        (r'{"x":"%22credentials%22%3A%7B%22a%22%3A%22S%22%7D","c":"x"}', 1),
    ],
)
def test_in_a_string_that_is_a_text_the_rest_of_it_goes(text: str, left: int) -> None:
    found = redacted(text.encode())
    assert b"S" not in re.sub(rb"saveUrl|SessionToken", b"", found.replace(b"secretAccessKey", b""))
    document = json.loads(found)
    assert document["c"] == "x"
    assert len(MARK.findall(found)) == 1
    assert json.loads(text).keys() == document.keys()
    # Two of them stay two.
    assert redacted(text.replace("S", "T").encode()) != found


BROKEN = {
    "single quotes": b"{'events':[{'content':{'credentials':{'secretAccessKey':'LEAK'}}}]}",
    "no quotes": b'{events:[{content:{credentials:{secretAccessKey:"LEAK"}}}]}',
    "XML": b"<credentials><secretAccessKey>LEAK</secretAccessKey></credentials>",
    "XML in lines": b"<credentials>\n  <secretAccessKey>\n    LEAK\n  </secretAccessKey>\n</credentials>",
    "form": b"a=b&secretAccessKey=LEAK",
    "form in JSON": b"push=%7B%22secretAccessKey%22%3A%22LEAK%22%7D",
    "two colons": b'{"secretAccessKey"::"LEAK"}',
    "equals": b'{"secretAccessKey" = "LEAK"}',
    "a blank that is none": b'{"credentials"\xc2\xa0:{"s":"LEAK"}}',
    "two strings": b'{"secretAccessKey":"a" "LEAK"}',
    "behind its end": b'{"credentials":{"a":1}}, "x":{"y":"LEAK"}}',
    "a number": b'{"secretAccessKey":123456789LEAK}',
    "a comment": b'{"credentials":/*"x"*/{"secretAccessKey":"LEAK"}}',
    "snakes": b"secret_access_key: LEAK",
    "YAML": b"credentials:\n  - LEAK",
    "cut off": b'{"credentials":{"secretAccessKey":"LEAK',
    "cut off in an escape": b'{"credentials":{"secretAccessKey":"LEAK\\',
    "the tail of it": b'tail of it "secretAccessKey": "LEAK"}}',
    "escapes": rb'{"\u0063redentials":{"a":"LEAK"}',
    "escapes in escapes": rb'{"x":"{\"\\u0063redentials\":{\"a\":\"LEAK\"}}"}',
    "GBK": '名{"credentials":{"secretAccessKey":"LEAK"}}'.encode("gbk"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_of_what_is_no_json_the_line_goes(name: str) -> None:
    body = BROKEN[name]
    found = redacted(body)
    assert b"LEAK" not in found
    assert MARK.search(found)
    assert redacted(body.replace(b"LEAK", b"ANOTHER")) != found  # two of them stay two
    assert redacted(b'{"c":"x"}\n' + body + b"\nthe next line").startswith(b'{"c":"x"}\n')
    assert BaiduSource().redacted(body) == found


def test_of_a_long_line_four_kilobytes_go_at_a_time() -> None:
    found = redacted(b"{'sessionToken':'" + b"S" * 4000 + b"', 'a':'" + b"x" * 4000 + b"'")
    assert b"S" not in found
    assert found.endswith(b"x" * 3000 + b"'")
    # A name that begins in there has four of its own, wherever the first ones end.
    for blanks in range(4030, 4100):
        assert b"LEAK" not in redacted(b"credentials a" + b" " * blanks + b"secretAccessKey: LEAK")
    kept = "字" * 3000
    assert redacted(f"secretAccessKey {kept}".encode()).decode().endswith("字")


PUSH = (
    '{"events": [{"eventId": "%s", "content": {"credentials": {"secretAccessKey": "LEAK"}, "object": "名"}}]}'
)
ENCODINGS = ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-8-sig"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_in_another_encoding_it_is_the_same(encoding: str) -> None:
    one, two = (redacted((PUSH % number).encode(encoding)) for number in "12")
    assert one != two
    assert one == (PUSH % 1).replace('"LEAK"', GONE).encode(encoding)
    harmless = PUSH.replace("credentials", "x").replace("secretAccessKey", "y").encode(encoding)
    assert redacted(harmless) == harmless


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize(
    "around",
    [
        (b"\xff\xfe", b"\0\xd8"),
        (b"\0\1", b"\0"),
        (b"x\0y\0z", b""),
        (b"\x1f\x8b\0", b"\0"),
        (b"\0\xdc\0\xdc", b""),
    ],
)
def test_what_is_no_text_goes_whole_where_it_holds_such_a_name(
    encoding: str, around: tuple[bytes, bytes]
) -> None:
    one, two = (
        redacted(around[0] + f'"secretAccessKey":"{secret}"'.encode(encoding) + around[1])
        for secret in ("LEAK", "LAEK")
    )
    for found in (one, two):
        assert b"LEAK" not in found.replace(b"\0", b"")
        assert b"LAEK" not in found.replace(b"\0", b"")
    assert one != two


@given(st.binary(max_size=100))
def test_what_holds_no_such_name_is_kept_to_the_byte(body: bytes) -> None:
    assert redacted(body) == body
    assert redacted(b"\0" + body) == b"\0" + body


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32-be"])
def test_a_name_with_a_zero_in_it_is_one(encoding: str) -> None:
    assert b"LEAK" not in redacted('{"secret\0AccessKey": "LEAK"}'.encode(encoding)).replace(b"\0", b"")


def test_a_text_of_escapes_goes_whole() -> None:
    found = redacted(rb'{"a": "%b"}' % (rb"\u0041" * MAX_ESCAPES))
    assert MARK.fullmatch(found)


def test_nothing_of_it_is_read_or_quoted() -> None:
    received = BaiduSource().read(
        post(
            b'{"events":[{"eventId":"1","eventType":"PutObject","content":{"domain":"d","bucket":"b",'
            rb'"xVars":"{\"credentials\":{\"secretAccessKey\":\"LEAK\"}}","secret_access_key":"LEAK"}}]}'
        )
    )
    assert "LEAK" not in repr(received)


@given(json_texts, json_texts)
def test_json_stays_json_and_nothing_else_changes(secret: bytes, other: bytes) -> None:
    if any(word in (other + secret).lower() for word in (b"redential", b"oken", b"access", b"\\u00")):
        return
    left = redacted(b'{"other": %b, "credentials": %b , "z": 1}' % (other, secret))
    assert left.startswith(b'{"other": %b, "credentials":' % other)
    assert left.endswith(b' , "z": 1}')
    found = json.loads(left, object_pairs_hook=list)
    assert [name for name, _ in found] == ["other", "credentials", "z"]
    before = json.loads(secret, object_pairs_hook=lambda pairs: [("[redacted]", value) for _, value in pairs])
    assert json.dumps(_leaves(before)) == json.dumps(_leaves(found[1][1]))


def _leaves(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_leaves(inner) for inner in value]
    return None if value is None else "[redacted]"


@given(st.binary(max_size=200), st.sampled_from(["utf-8", *ENCODINGS]))
def test_a_secret_never_stays_whatever_stands_before_and_after(noise: bytes, encoding: str) -> None:
    text = '"credentials":{"secretAccessKey":"SECRET"}'.encode(encoding)
    assert b"SECRET" not in redacted(noise + text + noise).replace(b"\0", b"")


MEGABYTE = {
    "quotes": b'"' * 1_000_000,
    "names": b'"credentials":' * 70_000,
    "names in a string": b'["' + b"credentials " * 80_000 + b'"]',
    "names in texts": b'["' + rb"credentials\"" * 70_000 + b'"]',
    "names in members": b'{"a":"b"' + b',"credentials":"x"' * 55_000 + b"}",
    "members": b'"credentials":{' + b'"a":"b",' * 120_000,
    "sound members": b'{"credentials":[' + b'{"a":"b"},' * 90_000 + b"1]}",
    "escapes": b'"credentials":"' + b"\\" * 1_000_000,
    "blanks": b'"credentials"' + b" " * 1_000_000,
    "more blanks": b'"credentials":' + b" " * 1_000_000,
    "blanks behind": b'"credentials":"x"' + b" " * 1_000_000,
    "blanks in JSON": b'["credentials credentials"' + b" " * 1_000_000 + b"]",
    "brackets": b'"credentials":' + b"[" * 1_000_000,
    "beginnings": b'"c' * 500_000,
    "stems": b"secret access session " * 45_000,
    "letters": rb"\u0063" * 160_000,
    "letters of names": rb"\u0063redentials" * 60_000,
    "UTF-16": '{"credentials":"x"}'.encode("utf-16") + b" \0" * 490_000,
    "zeros": b"\0" * 1_000_000,
    "zeros and names": b"\0credentials" * 80_000,
}


@pytest.mark.parametrize("name", MEGABYTE)
def test_a_megabyte_takes_no_time(name: str) -> None:
    begin = time.process_time()
    redacted(MEGABYTE[name])
    assert time.process_time() - begin < 0.2


def test_a_full_push_of_credentials_is_looked_through_and_more_goes_whole() -> None:
    names = ("accessKeyId", "secretAccessKey", "sessionToken", "expiration")
    one = json.dumps({"credentials": dict.fromkeys(names, "LEAK")}).encode()
    full = b"[%b]" % b",".join([one] * 1000)
    assert redacted(full) == full.replace(b'"LEAK"', GONE.encode())
    more = b'{"credentials": [%b], "a": "b"}' % b",".join([b'"LEAK"'] * MAX_TOKENS)
    left = redacted(more)
    assert left.startswith(b'{"credentials": ["[redacted]","[redacted]",')
    assert MARK.search(left[-40:])
    assert b"LEAK" not in left
