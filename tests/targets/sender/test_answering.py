"""Answers, byte by byte: what is one, how long it may be, and after which of them the connection ends."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.targets.sender.answering import HEAD_BYTES, Answers, BrokenError
from router.targets.sender.base import READ_BYTES, Reply

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def read(*pieces: bytes, method: str = "POST", every_header: bool = False) -> tuple[Reply | None, bool]:
    """What comes of these bytes, and whether the connection is of use afterwards."""
    answers = Answers(every_header=every_header)
    answers.method = method
    for piece in pieces:
        reply = answers.feed(piece)
        if reply is not None:
            return reply, answers.sound
    return answers.end(), False


def broken(data: bytes) -> str:
    with pytest.raises(BrokenError) as caught:
        read(data)
    return str(caught.value)


SOUND = [
    (OK, b"ok"),
    (b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", b""),
    (b"HTTP/1.1 204 No\r\n\r\n", b""),
    (b"HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", b""),
    (b"HTTP/1.1 304 No\r\n\r\n", b""),
    (CHUNKED + b'2;a=b;c="d"\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n', b"ok"),
    (CHUNKED + b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n", b"ok"),
    (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    (b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + b"z" * READ_BYTES, b"z" * READ_BYTES),
]

DOUBTFUL = [
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    (b"HTTP/1.1 200 OK\r\n\r\nok", b"ok"),  # until it closes
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok", b"ok"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\nok", b"ok"),
    # RFC 9112, section 6.1: chunks go before a length, and HTTP/1.0 knows no chunks
    (
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"ok",
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"ok",
    ),
    (CHUNKED.replace(b"1.1", b"1.0")[:-2] + b"Connection: keep-alive\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
    # RFC 9110, section 8.6: a length that is said again is still that length
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\ncontent-length:2\r\n\r\nok", b"ok"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", b"ok"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2,2\r\nContent-Length: 2\r\n\r\nokay", b"ok"),
    (b"HTTP/1.1 204 No\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", b""),
    (
        CHUNKED[:-2] + b"Content-Length: 9\r\nContent-Length: 9\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"ok",
    ),
    # lines that end without CR: who reads them otherwise finds another answer
    (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", b"ok"),
    (b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 2\r\n\r\nok", b"ok"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok", b"ok"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 7\n\nok\r\n\r\nz", b"ok\r\n\r\nz"),
    (b"\r\n\r\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok", b"ok"),
    # bodies that may not be there
    (b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\n", b""),
    (b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", b""),
    (b"HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\n", b""),
    # other protocols
    (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nGET / HTTP/1.1\r\n\r\n", b""),
    (b"HTTP/1.1 101 Switching\r\n\r\nGET / HTTP/1.1\r\n\r\n", b""),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
    (b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n" + OK, b"ok"),
    (b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" * 100 + OK, b"ok"),
    # more behind it
    (OK + OK, b"ok"),
    (OK + b"x", b"ok"),
    (OK + b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", b"ok"),
    # broken behind the head: the status was there
    (CHUNKED + b"2\r\nokay\r\n0\r\n\r\n", b"ok"),
    (CHUNKED + b"2\nok\n0\n\n", b""),
    (CHUNKED + b"0x2\r\nok\r\n", b""),
    (CHUNKED + b"2 \r\nok\r\n", b""),
    (CHUNKED + b"-2\r\nok\r\n", b""),
    (CHUNKED + b"FFFFFFFFFFFFFFFFFF\r\nok\r\n", b""),
    # longer than anybody reads
    (b"HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n" + b"z" * (READ_BYTES + 1), b"z" * READ_BYTES),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"z" * READ_BYTES, b"z" * READ_BYTES),
    (CHUNKED + b"10000\r\n" + b"z" * READ_BYTES, b"z" * READ_BYTES),
    (CHUNKED + b"2\r\nok\r\n1;" + b"x" * 1_000_000, b"ok"),
    (CHUNKED + b"2\r\nok\r\n0\r\nX: " + b"x" * 1_000_000, b"ok"),
]


@pytest.mark.parametrize(("data", "body"), SOUND)
def test_after_such_an_answer_the_connection_is_of_use(data: bytes, body: bytes) -> None:
    reply, sound = read(data)
    assert reply is not None
    assert (reply.body, sound) == (body, True)


@pytest.mark.parametrize(("data", "body"), DOUBTFUL)
def test_after_such_an_answer_it_is_not(data: bytes, body: bytes) -> None:
    reply, sound = read(data)
    assert reply is not None
    assert (reply.body, sound) == (body, False)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "invalid HTTP version parsed"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "invalid HTTP version parsed"),
        (b"HTTP/0.9 200 OK\r\n\r\n", "invalid HTTP version parsed"),
        (b"RTSP/1.0 200 OK\r\n\r\n", "invalid HTTP version parsed"),
        (b"HTTP/1.1 99 No\r\n\r\n", "invalid HTTP status-code parsed"),
        (b"HTTP/1.1 099 No\r\n\r\n", "invalid HTTP status-code parsed"),
        (b"HTTP/1.1 2000 No\r\n\r\n", "invalid HTTP status-code parsed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", "Duplicate Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok", "Invalid character in Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2,\r\n\r\nok", "Invalid character in Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: -2\r\n\r\nok", "Duplicate Content-Length"),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
            "Duplicate Content-Length",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n" + b"x" * HEAD_BYTES,
            "message head is too large",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", "Invalid character in Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "Content-Length overflow"),
        (b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", "Invalid header field char"),
        (b"HTTP/1.1 200 OK\r\nX: a\rContent-Length: 2\r\n\r\nok", "Missing expected LF after header value"),
        (b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", "Invalid header value char"),
        (
            b"HTTP/1.1 104 Early\r\nContent-Length: 41\r\n\r\n" + OK,
            "an informational answer with a body",
        ),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * HEAD_BYTES, "message head is too large"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * HEAD_BYTES + b"\r\n\r\n", "message head is too large"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 4000, "message head is too large"),
        (b"\r\n" * HEAD_BYTES, "message head is too large"),
    ],
)
def test_what_is_no_answer(data: bytes, why: str) -> None:
    assert broken(data) == why


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"])
def test_there_is_none_before_the_end_of_its_head(data: bytes) -> None:
    answers = Answers(every_header=False)
    assert (answers.feed(data), answers.end()) == (None, None)


def test_what_came_of_it_is_an_answer_from_then_on() -> None:
    answers = Answers(every_header=False)
    assert answers.feed(OK[:-1]) is None
    assert answers.end() == Reply(200, {}, b"o")
    assert not answers.sound


def test_an_answer_to_head_has_no_body_whatever_its_length_says() -> None:
    head = b"HTTP/1.1 503 No\r\nContent-Length: 2\r\nRetry-After: 7\r\n\r\n"
    reply, sound = read(head, method="HEAD")
    assert reply == Reply(503, {"content-length": "2", "retry-after": "7"}, b"")
    assert not sound
    assert read(head + b"ok", method="HEAD")[0] == reply


def test_headers_are_there_where_somebody_asks() -> None:
    quiet, asked = Reply(200, {}, b"ok"), Reply(200, {"content-length": "2"}, b"ok")
    assert read(OK)[0] == quiet
    assert read(OK, method="OPTIONS")[0] == read(OK, every_header=True)[0] == asked


def test_of_a_field_that_is_there_twice_the_first_counts_and_trailers_are_none() -> None:
    fields = b"x-a:  2 \t\r\nX-A: 1\r\nX-B: \xff\r\nX-B: 1\r\n"
    data = CHUNKED.replace(b"200", b"500")[:-2] + fields + b"\r\n0\r\nX-A: 3\r\nX-C: 4\r\n\r\n"
    reply, _ = read(data)
    assert reply == Reply(500, {"transfer-encoding": "chunked", "x-a": "2"}, b"")


ANSWERS = [data for data, _ in SOUND + DOUBTFUL if len(data) < 3000]


@pytest.mark.parametrize("data", ANSWERS)
def test_where_packets_end_changes_nothing(data: bytes) -> None:
    """But that bytes behind an answer, coming later, are not its business any more."""
    whole, sound = read(data)
    pieces = [data[at : at + 1] for at in range(len(data))]
    assert read(*pieces)[0] == whole
    for at in range(1, len(data)):
        reply, still = read(data[:at], data[at:])
        assert reply == whole
        assert still == sound or data.startswith(OK)


@given(st.lists(st.sampled_from([data for data, _ in SOUND]), max_size=5), st.sampled_from(ANSWERS))
def test_after_a_sound_answer_the_next_is_read_as_the_first_is(before: list[bytes], data: bytes) -> None:
    """So what an answer in one piece means hangs on its bytes alone, and may be remembered."""
    answers = Answers(every_header=False)
    answers.method = "POST"
    for one in before:
        assert answers.feed(one) is not None
        assert (answers.sound, answers.begun) == (True, False)
    assert (answers.feed(data) or answers.end(), answers.sound) == read(data)


@given(st.binary(max_size=60), st.sampled_from([*ANSWERS, b""]), st.integers(0, 200))
def test_no_bytes_do_any_harm(noise: bytes, data: bytes, at: int) -> None:
    reply = None
    with suppress(BrokenError):
        reply, _ = read(data[:at] + noise, data[at:])
    assert reply is None or 100 <= reply.status <= 999
