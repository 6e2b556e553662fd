"""XML bodies: made from a value, read back by another's parser."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from router.config.files import read_files
from router.config.report import Report
from router.events import Event
from router.rules.load import load, transforms_of
from router.targets.registry import installed_kinds
from router.transforms import XML_TYPE, TransformError, compile_transform, pieces, variant_of

SEED = """<Request>
<Tag>ImageOCR</Tag>
<Input>
<Object>input/test.jpg</Object>
</Input>
<Operation>
<TemplateId>t1460606b9752148c4ab182f55163ba7cd</TemplateId>
<UserData>This is my data.</UserData>
<JobLevel>0</JobLevel>
</Operation>
<CallBack>http://callback.demo.com</CallBack>
<CallBackFormat>JSON</CallBackFormat>
</Request>"""
"""The body of "Submitting OCR Task" (POST /jobs)."""


def event(data: Any = None) -> Event:
    return Event(id="1", source="s", type="t", subject="input/test.jpg", data=json.dumps(data).encode())


def body(structure: Any, data: Any = None) -> str:
    rendered = compile_transform({"xml": structure}).render(event(data))
    assert rendered.content_type == XML_TYPE == "application/xml"
    return rendered.content.decode()


def refused(structure: Any, data: Any = None) -> str:
    with pytest.raises(TransformError) as caught:
        body(structure, data)
    return caught.value.message


def test_a_job_as_the_document_has_it() -> None:
    structure = {
        "Request": {
            "Tag": "ImageOCR",
            "Input": {"Object": "{{ subject }}"},
            "Operation": {
                "TemplateId": "t1460606b9752148c4ab182f55163ba7cd",
                "UserData": "This is {{ data.whose }} data.",
                "JobLevel": "{{ data.level }}",
            },
            "CallBack": "http://callback.demo.com",
            "CallBackFormat": "JSON",
        }
    }
    assert body(structure, {"whose": "my", "level": 0}) == SEED.replace("\n", "")


@pytest.mark.parametrize(
    ("content", "written"),
    [
        ("{{ data.text }}", "<R>a&lt;b/&gt;&amp;\"']]&gt;</R>"),
        ({"N": "{{ data.number }}", "F": "{{ data.exact }}"}, "<R><N>3</N><F>0.10</F></R>"),
        ({"T": "{{ data.yes }}", "F": False}, "<R><T>true</T><F>false</F></R>"),
        ({"A": "{{ data.list }}"}, "<R><A>1</A><A>x</A></R>"),
        ({"A": ["{{ type }}", {"B": 1}, None]}, "<R><A>t</A><A><B>1</B></A></R>"),
        ("{{ data.object }}", "<R><a>1</a><b><c/></b></R>"),
        ({"A": "{{ data.gone }}", "B": None, "C": "", "D": {}, "E": []}, "<R><C/><D/></R>"),
        ({"A": " {{ data.gone }}"}, "<R><A> </A></R>"),
        (None, "<R/>"),
        ("{{ data.gone }}", "<R/>"),
        ({"A": "{{ data.lines }}"}, "<R><A>a\n\tb&#13;</A></R>"),
        ({"名": "锄禾 😀"}, "<R><名>锄禾 😀</名></R>"),
    ],
)
def test_values_become_elements(content: Any, written: str) -> None:
    data = {
        "text": "a<b/>&\"']]>",
        "number": 3,
        "yes": True,
        "list": [1, None, "x"],
        "object": {"a": 1, "b": {"c": ""}},
        "lines": "a\n\tb\r",
    }
    exact = json.dumps(data)[:-1].encode() + b', "exact": 0.10}'
    found = compile_transform({"xml": {"R": content}}).render(Event(id="1", source="s", type="t", data=exact))
    assert found.content.decode() == written.replace("0.10", "0.1")


@pytest.mark.parametrize(
    ("structure", "data", "message"),
    [
        ({"R": "{{ data }}"}, {"a b": 1}, "R: no XML element can be called 'a b'"),
        ({"R": {"A": "{{ data }}"}}, {"x": {"": 1}}, "R.A.x: no XML element can be called ''"),
        ({"R": "{{ data }}"}, {"a><b": 1}, "R: no XML element can be called 'a><b'"),
        ({"R": "{{ data }}"}, {"x:y": 1}, "R: no XML element can be called 'x:y'"),
        ({"R": {"A": "{{ data }}"}}, "a\x00b", "R.A: XML has no character '\\x00', not even escaped"),
        ({"R": {"A": "{{ data }}"}}, "\uffff", "R.A: XML has no character '\\uffff', not even escaped"),
        ({"R": {"A": "{{ data }}"}}, [[1]], "R.A: a list in a list: which element should that be?"),
        ({"R": "{{ data }}"}, [1], "R: a document has one root element, and this is a list"),
    ],
)
def test_what_xml_cannot_hold_is_told(structure: Any, data: Any, message: str) -> None:
    assert refused(structure, data) == message


def test_long_names_are_told_in_short_and_cost_nothing() -> None:
    assert len(refused({"R": "{{ data }}"}, {" " * 9000: 1})) < 200
    many = {f"x{number}": 1 for number in range(30_000)} | {"?": 1}
    begin = time.process_time()
    assert len(refused({"R": "{{ data }}"}, {"a" * 500_000: many})) < 200
    assert time.process_time() - begin < 1


def test_the_order_of_elements_makes_another_body() -> None:
    one, other = {"xml": {"R": {"A": 1, "B": 2}}}, {"xml": {"R": {"B": 2, "A": 1}}}
    assert variant_of(one) != variant_of(other)
    assert variant_of({"json": {"A": 1, "B": 2}}) == variant_of({"json": {"B": 2, "A": 1}})


def test_its_pieces_are_found() -> None:
    found = pieces({"xml": {"R": {"A": "x{{ type }}", "B": ["{{ id }}"]}}})
    assert [(piece.path, piece.offset) for piece in found] == [
        (("xml", "R", "A"), 0),
        (("xml", "R", "A"), 4),
        (("xml", "R", "B", 0), 3),
    ]


names = st.from_regex(re.compile(r"[A-Za-z_ä][\w.-]{0,5}", re.ASCII), fullmatch=True)
texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
    | st.sampled_from("\t\n\r<&]>"),
    max_size=10,
)
contents = st.recursive(
    texts,
    lambda inner: st.dictionaries(names, inner | st.lists(inner, max_size=3), max_size=3),
    max_leaves=10,
)


def read(element: etree._Element) -> Any:
    """What a parser makes of it: text, or children by name in the order of their first."""
    if not len(element):
        return element.text or ""
    found: dict[str, list[Any]] = {}
    for child in element:
        found.setdefault(str(child.tag), []).append(read(child))
    return found


def expected(value: Any) -> Any:
    if isinstance(value, dict):
        children = {
            name: [expected(item) for item in (inner if isinstance(inner, list) else [inner])]
            for name, inner in value.items()
        }
        return {name: items for name, items in children.items() if items} or ""
    return value


@given(contents)
def test_any_parser_reads_back_what_was_written(value: Any) -> None:
    written = body({"R": "{{ data }}"}, value)
    assert read(etree.fromstring(written.encode())) == expected(value)


@given(
    st.recursive(
        st.text() | st.integers() | st.none() | st.booleans(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_the_data_is_there_is_a_document_or_a_reason(value: Any) -> None:
    transform = compile_transform({"xml": {"R": {"A": "{{ data }}"}}})
    try:
        rendered, reason = transform.render(event(value)), ""
    except TransformError as error:
        rendered, reason = None, error.message
    if rendered is None:
        assert reason.isprintable()
        assert reason.startswith("R.A")
    else:
        assert etree.fromstring(rendered.content).tag == "R"


def test_the_page_shows_the_document_that_its_rule_makes(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "rules/README.md").read_text(encoding="utf-8")
    (rule,) = (fence for fence in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "xml:" in fence)
    (shown,) = re.findall(r"```xml\n(.*?)\n```", page, re.DOTALL)
    file = tmp_path / "rule.yml"
    file.write_text(rule + "targets: {console: {log: {}}}\n", encoding="utf-8")
    report = Report()
    deployment = load(read_files([file], report), installed_kinds(), {}, report)
    assert deployment is not None
    assert not report.problems
    (only,) = deployment.rules
    (route,) = deployment.route(only.tests[0].event)
    rendered = transforms_of(deployment.text)[route.variant].render(only.tests[0].event)
    assert rendered.content.decode() == shown
