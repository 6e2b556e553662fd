from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from xml.parsers import expat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import EventError, TooMuchError
from router.sources.xml import MAX_NODES, read


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


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"<:a/>", ":a"),
        (b"<a:/>", "a:"),
        (b"<:/>", ":"),
        (b"<p:a/>", "a"),
        (b"<p:a:b xmlns:p='u'/>", "p:a:b"),
        (b"<p:a xmlns:p='u}v'/>", "a"),
        (b"<a :b='1' c:='2'/>", "a"),
    ],
)
def test_a_colon_that_divides_nothing_is_read_as_a_letter(body: bytes, name: str) -> None:
    assert read(body) == (name, "")


def test_declared_encodings_and_xmls_own_entities_are_read() -> None:
    assert read('<?xml version="1.0" encoding="GBK"?><R>锄禾</R>'.encode("gbk")) == ("R", "锄禾")
    assert read(b"\xef\xbb\xbf<R>&lt;&amp;&#x9504;</R>") == ("R", "<&锄")


# The sentences are expat's own.
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", r"line 1, column 1: no element found\Z"),
        (b"<R>\n<A></B>\n</R>", r"line 2, column 6: mismatched tag\Z"),
        (b"<R>&nbsp;</R>", r"line 1, column 4: undefined entity\Z"),
        (b"<R>", r"line 1, column 4: no element found\Z"),
        (b"<R><![CDATA[secret", r"line 1, column 19: unclosed CDATA section\Z"),
        (b"<R>\n\xc3\xbc\xff</R>", r"line 2, column 2: not in utf-8: [^\n]*\Z"),
        (b"<" + b"a" * 40_000 + b"></b>", r"line 1, column 40005: mismatched tag\Z"),
        (b"<R>" + b"\n" * 70_000 + b"</S>", r"line 70001, column 3: mismatched tag\Z"),
        ("<R>\n锄</S>".encode(), r"line 2, column 4: mismatched tag\Z"),
        (b"<!DOCTYPE " + b"a" * 40_000 + b"><b/>", r"XML with a document type \(<!DOCTYPE a{100}…>\)"),
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
        '<?xml version="1.0" encoding="UTF-16LE"?><!DOCTYPE R><R/>'.encode("utf-16-le"),
        b"\xef\xbb\xbf<?xml version='1.0'?> <!-- ?> --><?a --?>\r\n<!DOCTYPE R><R/>",
    ],
)
def test_a_document_type_is_refused_by_name(body: bytes) -> None:
    assert refusal(body) == "XML with a document type (<!DOCTYPE R>), which is not read"


def test_depth_is_bounded() -> None:
    assert read(b"<a>" * 64 + b"</a>" * 64)[0] == "a"
    assert refusal(b"<a>" * 65 + b"</a>" * 65) == "XML nested more than 64 deep"


def test_a_bomb_costs_next_to_nothing() -> None:
    begin = time.process_time()
    assert refusal(b"<a>" * 200_000) == "XML nested more than 64 deep"
    assert time.process_time() - begin < 0.05


@pytest.mark.parametrize("encoding", ["UTF-16", "no-such-encoding", "UTF-32"])
def test_an_encoding_that_it_is_not_in_is_refused(encoding: str) -> None:
    told = refusal(f'<?xml version="1.0" encoding="{encoding}"?><R>x</R>'.encode())
    assert told.startswith(f"line 1, column 31: declared to be in {encoding}, ")


@pytest.mark.parametrize("encoding", ["UTF-16", "UTF-16LE"])
def test_a_mark_and_a_declaration_that_agree_are_read(encoding: str) -> None:
    text = f'\ufeff<?xml version="1.0" encoding="{encoding}"?><R>锄禾</R>'
    assert read(text.encode("utf-16-le")) == ("R", "锄禾")
    assert "declared to be" in refusal(text.encode())


pieces = st.sampled_from(
    [
        *"<>/:=&;{}[]-!?'\" aRp",
        "<a>",
        "</a>",
        "<:a/>",
        "<p:a xmlns:p='u'>",
        "</p:a>",
        "xmlns=''",
        " xmlns:xml='u'",
        " xmlns:xmlns='u'",
        " xml:lang='x'",
        "<?pi x?>",
        "<?xml version='1.0'?>",
        "<?xml version='1.0' encoding='UTF-16'?>",
        "<?xml version='1.0' encoding='UTF-7'?>",
        "<?xml version='1.0' encoding='GBK'?>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "&amp;",
        "&nbsp;",
        "&#0;",
        "&#xd800;",
        "&#x110000;",
        "<!DOCTYPE a>",
        "<!ENTITY x 'y'>",
        "<a" + "".join(f" a{number}=''" for number in range(300)) + ">",
        "\N{BYTE ORDER MARK}",
        "\ufffe",
        "\x00",
        "\x85",
    ]
)
texts = st.lists(pieces, max_size=12).map("".join)
encodings = st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "gb18030"])


@given(st.lists(pieces, max_size=12).map("".join))
def test_a_document_type_never_reaches_the_parser(text: str) -> None:
    met = []
    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = lambda *told: met.append(told)
    with contextlib.suppress(expat.ExpatError):
        parser.Parse(text.encode(errors="replace"), True)
    if met:
        told = refusal(text.encode(errors="replace"))
        assert "with a document type" in told or "declared to be" in told


@given(
    st.binary(max_size=60)
    | st.builds(str.encode, texts, encodings)
    | st.builds(str.encode, texts.map("<R>{}</R>".format), encodings)
    | st.tuples(texts, st.binary(max_size=3), texts).map(
        lambda drawn: b"%b%b%b" % (drawn[0].encode(), drawn[1], drawn[2].encode())
    )
)
def test_anything_is_read_or_refused(body: bytes) -> None:
    try:
        said, _ = read(body)
    except EventError as error:
        said = error.message
        assert said.isprintable()
    assert 0 < len(said) < 200


@pytest.mark.parametrize(
    "body",
    [
        b"<R " + b" ".join(b"a%d='1'" % number for number in range(80_000)) + b"/>",
        b"<R " + b" ".join(b"xmlns:a%d='1'" % number for number in range(60_000)) + b"/>",
        b"<R>" + b"<!---->" * 140_000 + b"</R>",
        b"<R>" + b"<?p?>" * 190_000 + b"</R>",
        b"<R>" + b"&lt;" * 240_000 + b"</R>",
    ],
    ids=["attributes", "namespaces", "comments", "instructions", "entities"],
)
def test_a_megabyte_of_what_is_left_out_is_read_in_a_second(body: bytes) -> None:
    begin = time.process_time()
    assert read(body)[0] == "R"
    assert time.process_time() - begin < 1


def test_the_number_of_elements_is_bounded() -> None:
    assert read(b"<R>%b</R>" % (b"<a/>" * (MAX_NODES - 1)))[0] == "R"
    begin = time.process_time()
    with pytest.raises(TooMuchError, match="more than 20000 nodes"):
        read(b"<R>%b</R>" % (b"<a/>" * 249_000))
    assert time.process_time() - begin < 0.05


def held() -> int:
    """Kilobytes that this process holds (proc(5), `status`)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS:" in line)
    return int(line.split()[1])


def test_names_are_forgotten_with_their_document() -> None:
    def strange(number: int) -> bytes:
        names = range(number * MAX_NODES, (number + 1) * MAX_NODES - 1)
        return b"<R>%b</R>" % b"".join(b"<name-of-a-stranger-%x/>" % name for name in names)

    for number in range(10):
        read(strange(number))
    before = held()
    for number in range(10, 60):
        read(strange(number))
    assert held() - before < 8_000
