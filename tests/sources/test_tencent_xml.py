from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import EventError
from router.sources.tencent_xml import read


def refusal(body: bytes) -> str:
    with pytest.raises(EventError) as caught:
        read(body)
    return caught.value.message


def test_elements_are_objects_lists_and_text() -> None:
    assert read(b"<R>\n <A>1</A>\n <B><C>x</C><C>y</C></B>\n <D/>\n <E> z </E>\n</R>") == (
        "R",
        {"A": "1", "B": {"C": ["x", "y"]}, "D": "", "E": " z "},
    )


def test_what_carries_nothing_is_left_out() -> None:
    body = b'<?xml version="1.0"?><!-- c --><R a="1"><?pi x?><A>b<!-- c -->d<![CDATA[<&>]]></A>loose</R>'
    assert read(body) == ("R", {"A": "bd<&>"})


def test_a_namespace_is_not_part_of_a_name() -> None:
    assert read(b'<R xmlns="urn:x" xmlns:p="urn:y"><p:A>1</p:A></R>') == ("R", {"A": "1"})


def test_declared_encodings_and_xmls_own_entities_are_read() -> None:
    assert read('<?xml version="1.0" encoding="GBK"?><R>锄禾</R>'.encode("gbk")) == ("R", "锄禾")
    assert read(b"\xef\xbb\xbf<R>&lt;&amp;&#x9504;</R>") == ("R", "<&锄")


# The sentences are libxml2's own, and change a little from version to version.
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", r"line 1, column 1: .*empty"),
        (b"<R>\n<A></B>\n</R>", r"line 2, column 8: .*tag mismatch: A line 2 and B"),
        (b"<R>&nbsp;</R>", r"line 1, column 10: Entity 'nbsp' not defined"),
        (b"<R>", r"line 1, column 4: "),
    ],
)
def test_broken_xml_is_placed(body: bytes, message: str) -> None:
    assert re.match(message, refusal(body))


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE R><R/>",
        b'<!DOCTYPE R SYSTEM "http://127.0.0.1:1/x.dtd"><R/>',
        b'<!DOCTYPE R [<!ENTITY x SYSTEM "file:///etc/passwd">]><R>&x;</R>',
        b'<!DOCTYPE R [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x">%x;]><R/>',
        b'<!DOCTYPE R [<!ENTITY a "aaaaaaaaaa">'
        + b"".join(
            b'<!ENTITY %c "&%c;&%c;&%c;&%c;&%c;&%c;&%c;&%c;">' % (n, *[n - 1] * 8) for n in b"bcdefghijk"
        )
        + b"]><R>&k;</R>",
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE R><R/>'.encode("utf-16"),
    ],
)
def test_a_document_type_is_refused_by_name(body: bytes) -> None:
    assert refusal(body) == "XML with a document type (<!DOCTYPE R>), which no callback has"


def test_depth_is_bounded() -> None:
    assert read(b"<a>" * 64 + b"</a>" * 64)[0] == "a"
    assert refusal(b"<a>" * 65 + b"</a>" * 65) == "XML nested more than 64 deep"


def test_a_bomb_costs_next_to_nothing() -> None:
    begin = time.process_time()
    assert refusal(b"<a>" * 200_000) == "XML nested more than 64 deep"
    assert time.process_time() - begin < 0.05


@pytest.mark.parametrize("encoding", ["UTF-16", "no-such-encoding", "UTF-32"])
def test_an_encoding_that_it_is_not_in_is_refused(encoding: str) -> None:
    assert refusal(f'<?xml version="1.0" encoding="{encoding}"?><R>x</R>'.encode()).startswith("line ")


@given(st.binary(max_size=60) | st.text("<>/aR &;!?-[]\"'=x", max_size=60).map(str.encode))
def test_anything_is_read_or_refused(body: bytes) -> None:
    try:
        name, _ = read(body)
    except EventError:
        return
    assert name
