from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import EventError, canonical
from router.sources import tencent_form, xml
from router.sources.tencent_form import NODES, NUMBER_KEPT, Form, normal

# A callback's tree: containers by name, lists only where the documents have them, leaves as JSON has them.
_lists = sorted(name for name, form in NODES.items() if form is Form.LIST)
_integers = sorted(name for name, form in NODES.items() if form is Form.INTEGER)
_plain = ["Input", "Operation", "Object", "Angel", "JobLevel", "Language", "Message", "UserData"]
_texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FF), max_size=6)
_leaves = _texts | st.none() | st.booleans() | st.integers(-(10**20), 10**20)


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    nodes = dict.fromkeys(_plain, inner) | dict.fromkeys(_lists[:4], st.lists(inner, max_size=3))
    return st.fixed_dictionaries({}, optional=nodes | dict.fromkeys(_integers[:4], _leaves))


trees = _containers(st.recursive(_leaves, _containers, max_leaves=15))


def as_xml(name: str, value: Any) -> str:
    """The same tree as Tencent writes it in XML."""
    if isinstance(value, list):
        return "".join(as_xml(name, item) for item in value) or f"<{name}/>"
    if isinstance(value, dict):
        inside = "".join(as_xml(member, content) for member, content in value.items())
    else:
        inside = "" if value is None else escape(canonical(value))
    return f"<{name}>{inside}</{name}>" if inside else f"<{name}/>"


@given(trees)
def test_xml_and_json_have_one_normal_form(tree: dict[str, Any]) -> None:
    root, content = xml.read(as_xml("Response", tree).encode())
    assert root == "Response"
    from_xml, from_json = set[str](), set[str]()
    assert normal(content, from_xml) == normal(tree, from_json)
    assert from_xml == from_json


@given(trees)
def test_the_normal_form_is_normal(tree: dict[str, Any]) -> None:
    once = normal(tree, set())
    assert normal(once, set()) == once
    assert once is None or not _empties(once)


def _empties(value: Any) -> bool:
    if isinstance(value, dict):
        return not value or any(_empties(member) for member in value.values())
    if isinstance(value, list):
        return not value or any(_empties(item) for item in value)
    return value is None or value == ""


@pytest.mark.parametrize("name", _lists)
def test_a_container_array_is_one_even_of_one(name: str) -> None:
    assert normal({name: {"A": "x"}}, set()) == {name: [{"A": "x"}]}
    assert normal({name: [{"A": "x"}]}, set()) == {name: [{"A": "x"}]}
    assert normal({name: [{"A": "x"}, {}, None, {"A": "y"}]}, set()) == {name: [{"A": "x"}, {"A": "y"}]}
    assert normal({name: [{}]}, set()) is None


@pytest.mark.parametrize("name", _integers)
def test_an_integer_is_one_however_it_is_written(name: str) -> None:
    notes = set[str]()
    for value in ("35", 35, " 35 "):
        assert normal({name: value}, notes) == {name: 35}
    assert normal({name: "-0"}, notes) == {name: 0}
    assert notes == set()


@pytest.mark.parametrize("name", ["X", "Duration"])
def test_a_number_may_have_a_fraction_where_the_documents_say_so(name: str) -> None:
    notes = set[str]()
    assert normal({name: "12.250"}, notes) == normal({name: " 12.25"}, notes) == {name: 12.25}
    assert normal({name: "-12"}, notes) == {name: -12}
    assert notes == set()
    long = "0.12345678901234567"
    assert normal({name: long}, notes) == {name: long}
    assert notes == {NUMBER_KEPT}


def test_headers_are_pairs_or_a_map() -> None:
    pair = {"Key": "x-cos-meta-a", "Value": "b"}
    assert (
        normal({"CosHeaders": pair}, set()) == normal({"CosHeaders": [pair]}, set()) == {"CosHeaders": [pair]}
    )
    assert normal({"CosHeaders": {"x-cos-meta-a": "b"}}, set()) == {"CosHeaders": {"x-cos-meta-a": "b"}}


@pytest.mark.parametrize("name", ["StartTime", "EndTime", "CreationTime", "CreateTime"])
def test_a_time_that_has_not_come_is_left_out(name: str) -> None:
    assert normal({name: "-", "A": "-"}, set()) == {"A": "-"}
    assert normal({name: "2023-11-25T08:47:39+0800"}, set()) == {name: "2023-11-25T08:47:39+0800"}


@pytest.mark.parametrize("value", ["35.0", "1e3", "many", "0x10", "٣", str(10**18), "--1", "true"])
def test_what_is_no_integer_stays_text_with_a_note(value: str) -> None:
    notes = set[str]()
    assert normal({"Confidence": value, "X": "1"}, notes) == {"Confidence": value, "X": 1}
    assert notes == {NUMBER_KEPT}


def test_numbers_of_nodes_that_are_text_are_text_with_every_digit() -> None:
    value = tencent_form.read_json(
        b'{"JobLevel": 0, "Rate": 0.950, "Big": 6353842115261500790, "Flag": false, "E": 1E2}'
    )
    assert normal(value, set()) == {
        "JobLevel": "0",
        "Rate": "0.950",
        "Big": "6353842115261500790",
        "Flag": "false",
        "E": "1E2",
    }


def test_zero_and_false_are_values_and_emptiness_is_none() -> None:
    tree = {"A": 0, "B": False, "C": "", "D": " \n", "E": None, "F": {}, "G": [], "H": {"I": {"J": ""}}}
    assert normal(tree, set()) == {"A": "0", "B": "false"}
    assert normal({"A": ""}, set()) is None
    assert normal(None, set()) is None


def test_a_node_the_documents_do_not_know_keeps_the_shape_it_came_in() -> None:
    assert normal({"Novel": ["a"]}, set()) == {"Novel": ["a"]}
    assert normal({"Novel": "a"}, set()) == {"Novel": "a"}
    assert normal({"Novel": [["a"], []]}, set()) == {"Novel": [["a"]]}


def test_depth_is_bounded() -> None:
    deep: Any = "x"
    for _ in range(63):
        deep = {"A": deep}
    assert normal(deep, set()) == deep
    for too_deep in ({"A": deep}, {"Novel": [[deep]]}):
        with pytest.raises(EventError, match=r"^nested more than 64 deep$"):
            normal(too_deep, set())
