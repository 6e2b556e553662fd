from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.emulators.jobs.submission import Queue, RefusedError, Submission, read
from router.events import EventError

TEMPLATE = "<TemplateId>t1460606b9752148c4ab182f55163ba7cd</TemplateId>"
PARAMETERS = "<ImageOCR><Type>general</Type><IsPdf>true</IsPdf></ImageOCR>"


def job(
    operation: str = TEMPLATE, more: str = "", *, tag: str = "ImageOCR", name: str = "input/test.jpg"
) -> bytes:
    inner = f"<Input><Object>{name}</Object></Input><Operation>{operation}</Operation>{more}"
    return f"<Request><Tag>{tag}</Tag>{inner}</Request>".encode()


def refused(body: bytes, queue: Queue | None = None) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        read(body, queue or Queue())
    assert caught.value.status == 400
    return caught.value


def test_the_documents_own_requests() -> None:
    user = "<UserData>This is my data.</UserData><JobLevel>0</JobLevel>"
    more = "<CallBack>http://127.0.0.1:8080/tencent</CallBack><CallBackFormat>JSON</CallBackFormat>"
    assert read(job(TEMPLATE + user, more), Queue()) == Submission(
        name="input/test.jpg",
        operation={
            "JobLevel": "0",
            "TemplateId": "t1460606b9752148c4ab182f55163ba7cd",
            "TemplateName": "ImageOCR",
            "UserData": "This is my data.",
        },
        callback="http://127.0.0.1:8080/tencent",
        format="JSON",
    )
    assert read(job(PARAMETERS), Queue()).operation == {
        "JobLevel": "0",
        "ImageOCR": {"Type": "general", "IsPdf": "true"},
    }


def test_a_template_has_precedence_over_parameters() -> None:
    operation = read(job(PARAMETERS + TEMPLATE), Queue()).operation
    assert "TemplateId" in operation
    assert "ImageOCR" not in operation


def test_without_template_and_parameters_it_is_refused() -> None:
    error = refused(job("<JobLevel>0</JobLevel>"))
    assert error.code == "InvalidArgument"
    assert "neither TemplateId nor ImageOCR" in error.message


def test_parameters_may_be_those_that_are_usual() -> None:
    assert read(job("<ImageOCR/>"), Queue()).operation["ImageOCR"] == {}


@given(st.text("0123456789-x", max_size=3))
def test_a_job_level_is_0_to_2(level: str) -> None:
    body = job(f"{TEMPLATE}<JobLevel>{level}</JobLevel>")
    if level in {"0", "1", "2", ""}:
        assert read(body, Queue()).operation["JobLevel"] == (level or "0")
    else:
        assert f"JobLevel: {level!r}" in refused(body).message


@pytest.mark.parametrize(
    ("text", "fits"),
    [("x" * 1024, True), ("x" * 1025, False), ("a b~!", True), ("词", False), ("a\tb", False), (" x ", True)],
)
def test_user_data_is_1024_characters_of_printable_ascii(text: str, fits: bool) -> None:
    body = job(f"{TEMPLATE}<UserData>{text}</UserData>")
    if fits:
        assert read(body, Queue()).operation["UserData"] == text
    else:
        assert "at most 1024 characters of printable ASCII" in refused(body).message


def test_where_it_calls_back() -> None:
    queue = Queue("http://127.0.0.1:1/tencent")
    assert read(job(), queue).callback == queue.callback
    assert read(job(), queue).format == "XML"
    assert read(job(more="<CallBack>no</CallBack>"), queue).callback is None
    assert read(job(more="<CallBack>http://localhost:2/</CallBack>"), queue).callback == "http://localhost:2/"
    assert read(job(), Queue()).callback is None


@pytest.mark.parametrize(
    "url",
    [
        "http://callback.demo.com",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://127.0.0.1.example.com/",
        "http://0.0.0.0/",
        "http://2130706433/",
    ],
)
def test_only_this_machine_is_called_unless_it_is_told_otherwise(url: str) -> None:
    body = job(more=f"<CallBack>{url}</CallBack>")
    assert "--anywhere" in refused(body).message
    assert read(body, Queue(anywhere=True)).callback == url


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "127.0.0.1:80",
        "http://[::1",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:70000/",
        "http://127.0.0.1@example.com/",
        "http://example.com\\@127.0.0.1/",  # to a browser, and to HTTP clients like ours, this is example.com
        "http://127.0.0.1/ x",
        "http://127.0.0.1/\u00e4",
        "yes",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    assert (
        "neither an http(s) URL nor"
        in refused(job(more=f"<CallBack>{url}</CallBack>"), Queue("", True)).message
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (job(more="<CallBackType>TDMQ</CallBackType>"), "CallBackType: TDMQ is not emulated"),
        (job(more="<CallBackType>url</CallBackType>"), "CallBackType: 'url'"),
        (job(more="<CallBackFormat>YAML</CallBackFormat>"), "CallBackFormat: 'YAML'"),
        (job(tag="Transcode"), "Tag: 'Transcode'"),
        (b"<Request><Tag>ImageOCR</Tag></Request>", "Input: "),
        (b"<Request><Tag>ImageOCR</Tag><Input><Object/></Input></Request>", "Operation: "),
        (b"<Request><Tag>ImageOCR</Tag><Tag>x</Tag></Request>", "Tag: should stand there once"),
        (b"<Job/>", "no <Request>"),
        (b"<Request/>", "no <Request>"),
    ],
)
def test_what_the_document_does_not_allow(body: bytes, told: str) -> None:
    assert told in refused(body).message


@pytest.mark.parametrize("body", [b"", b"{}", b"<Request>", b'<!DOCTYPE a [<!ENTITY b "c">]><Request/>'])
def test_what_is_no_xml(body: bytes) -> None:
    with pytest.raises(EventError):
        read(body, Queue())
