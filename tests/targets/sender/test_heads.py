"""Heads of requests: nothing that a caller says can end one, or begin another."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.targets.sender.heads import head_of

OWN = {"host": "h:1", "user-agent": "a/1 (100%)", "accept": "*/*"}


def request(headers: dict[str, str], content: bytes = b"", method: str = "POST", target: str = "/") -> bytes:
    return head_of(method, target, tuple(headers), OWN).request(tuple(headers.values()), content)


def test_a_request() -> None:
    assert request({"x-one": "1", "content-TYPE": "a/b"}, b"abc", "PUT", "/a%20b?c=%s&%%") == (
        b"PUT /a%20b?c=%s&%% HTTP/1.1\r\n"
        b"Host: h:1\r\nUser-Agent: a/1 (100%)\r\nAccept: */*\r\n"
        b"X-One: 1\r\nContent-Type: a/b\r\nContent-Length: 3\r\n\r\nabc"
    )


def test_what_the_caller_says_goes_before_what_is_said_otherwise() -> None:
    head = request({"HOST": "x", "Accept": "a", "user-agent": "u"})
    assert head == b"POST / HTTP/1.1\r\nHost: x\r\nAccept: a\r\nUser-Agent: u\r\nContent-Length: 0\r\n\r\n"


def test_a_name_may_have_percent_signs() -> None:
    assert b"\r\n%s: %d\r\n" in request({"%s": "%d"})


@pytest.mark.parametrize("name", ["content-length", "Transfer-Encoding"])
def test_how_long_it_is_the_caller_does_not_say(name: str) -> None:
    with pytest.raises(ValueError, match="has its own length"):
        request({name: "1"})


@pytest.mark.parametrize("end", ["\n", "\x00", "\x7f", "\ud800"])
def test_what_cannot_be_said_is_not_told(end: str) -> None:
    with pytest.raises(ValueError, match="invalid header value") as caught:
        request({"authorization": f"Bearer s3cret{end}"})
    assert "s3cret" not in repr(caught.value)


@pytest.mark.parametrize("method", ["", "PO ST", "POST\r\n", "P\u00d6ST", "GET /x HTTP/1.1\r\nX:"])
def test_what_is_no_method(method: str) -> None:
    with pytest.raises(ValueError, match="invalid HTTP method"):
        request({}, method=method)


@given(st.dictionaries(st.text(max_size=6), st.text(max_size=10), max_size=4), st.binary(max_size=40))
def test_whatever_is_said_there_is_one_request(headers: dict[str, str], content: bytes) -> None:
    try:
        data = request(headers, content)
    except ValueError:
        token = re.compile(r"[!#-'*+\-.^-z|~]+", re.ASCII)
        names_are_fine = all(token.fullmatch(name) for name in headers)
        values_are_fine = not re.search(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]", "".join(headers.values()))
        assert not (names_are_fine and values_are_fine)
        return
    head, body = data[: len(data) - len(content)], data[len(data) - len(content) :]
    assert body == content
    assert head.endswith(b"\r\n\r\n")
    lines = head[:-4].split(b"\r\n")
    known = {name.lower() for name in headers}
    assert len(lines) == 2 + len(headers) + len(OWN.keys() - known)
    assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", b"".join(lines))
    said = [line.partition(b": ") for line in lines[1:]]
    assert [value.decode() for _, _, value in said[-1 - len(headers) : -1]] == list(headers.values())
    assert [name.decode().lower() for name, _, _ in said[-1 - len(headers) : -1]] == [
        name.lower() for name in headers
    ]
