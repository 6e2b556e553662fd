"""All samples of the three clouds go in over HTTP, and come out at the right targets, field by field."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router import samples
from tests.client import post
from tests.process import RouterProcess
from tests.receiver import Receiver

REPOSITORY = Path(__file__).parents[2]

WHOLE = """
rules:
  - name: whole
    match: {source: "*"}
    targets: [structured, binary, data]
targets:
  structured: {http: {url: "%(url)s/structured"}}
  binary: {http: {url: "%(url)s/binary", format: binary}}
  data: {http: {url: "%(url)s/data", format: data}}
settings: {dedupe: 0s}  # Tencent's XML and JSON samples are one event: the second would be held back
"""

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")

FAILED = {
    "imm:FileMeta:Index",
    "imm:FileMeta:BatchIndex",
    "imm:FileMeta:BatchUpdate",
    "imm:FileMeta:Delete",
    "imm:FileMeta:BatchDelete",
    "imm:Engine:Exif",
    "imm:Engine:Mime",
    "imm:Engine:OSSMeta",
    "imm:Engine:Tag",
    "imm:Task:AsyncTask",
    "imm:Trigger:Notification",
}
"""The documents' own samples that tell of a failure."""


@pytest.fixture
def router(receiver: Receiver, tmp_path: Path) -> Iterator[RouterProcess]:
    file = tmp_path / "whole.yml"
    file.write_text(WHOLE % {"url": receiver.url})
    shipped = [REPOSITORY]
    hooks = {
        "TRUST_AND_SAFETY_URL": f"{receiver.url}/trust-and-safety",
        "FAILED_TASKS_URL": f"{receiver.url}/failed-tasks",
    }
    with RouterProcess([*shipped, file], tmp_path / "data", hooks) as running:
        yield running


def exact(text: bytes | str) -> Any:
    """JSON with every number as it was spelled."""
    return json.loads(text, parse_int=lambda n: f"int {n}", parse_float=lambda n: f"float {n}")


def own(cloud: str) -> list[samples.Sample]:
    return [sample for sample in samples.load(cloud) if not sample.derived]


def send(router: RouterProcess, sample: samples.Sample, body: bytes | None = None) -> None:
    reply = post(router.url + sample.path, sample.body if body is None else body, sample.content_type)
    assert reply.status == 200, reply.body


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    files = sorted(folder.glob(f"{name}/*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def by_path(receiver: Receiver, path: str) -> list[dict[str, Any]]:
    return [exact(request.body) for request in receiver.requests if request.target == path]


def test_all_33_imm_samples(receiver: Receiver, router: RouterProcess, tmp_path: Path) -> None:
    sent = own("alibaba")
    assert len(sent) == 33
    for sample in sent:
        send(router, sample)
    receiver.wait_for(33 * 3 + len(FAILED))
    assert router.terminate() == 0

    by_type = {event["type"]: event for event in by_path(receiver, "/structured")}
    assert len(by_type) == 33
    for sample in sent:
        expected = {"specversion": "1.0"} | exact(sample.body)  # eight of them leave it out
        if "Moderation" in expected["type"]:
            expected["verdict"] = "pass"  # what the router adds
        assert by_type[expected["type"]] == expected

    payloads = [request.body for request in receiver.requests if request.target == "/data"]
    assert len(payloads) == 33
    for sample in sent:
        raw = sample.body.decode()
        payload = raw[raw.index('"data"') + len('"data"') :].lstrip().removeprefix(":").strip()
        assert payload[: payload.rindex("}")].strip().encode() in payloads  # byte for byte

    binary = {r.headers["ce-type"]: r for r in receiver.requests if r.target == "/binary"}
    assert exact(binary["imm:FileMeta:Index"].body) == exact(sent_of(sent, "imm:FileMeta:Index"))["data"]
    assert binary["imm:FileMeta:Index"].headers["ce-aliyunpublishtime"] == "2020-11-19T21:04:42.179PRC"

    failed = {r.headers["ce-type"] for r in receiver.requests if r.target == "/failed-tasks"}
    assert failed == FAILED
    assert len(lines(tmp_path / "data", "audit")) == 33
    assert not lines(tmp_path / "data", "recognised")
    assert not by_path(receiver, "/trust-and-safety")  # both moderation samples say pass


def sent_of(sent: list[samples.Sample], kind: str) -> bytes:
    return next(sample.body for sample in sent if json.loads(sample.body)["type"] == kind)


@pytest.mark.parametrize("name", ["2018.json", "2025.json"])
def test_both_forms_of_baidu(name: str, receiver: Receiver, router: RouterProcess, tmp_path: Path) -> None:
    sample = next(sample for sample in own("baidu") if sample.name == name)
    reply = post(router.url + sample.path, sample.body, sample.content_type)
    assert (reply.status, reply.body) == (200, b"{}")
    assert reply.headers["x-bce-request-id"]
    receiver.wait_for(2 * 3)
    assert router.terminate() == 0

    (element,) = exact(re.sub(rb",(\s*[}\]])", rb"\1", sample.body))["events"]
    events = {event["type"]: event for event in by_path(receiver, "/structured")}
    assert events.keys() == {"com.baidubce.bos.ImageOcr", "com.baidubce.bos.ImageClassify"}
    for kind, other in (("imageOcr", "imageClassify"), ("imageClassify", "imageOcr")):
        event = events[f"com.baidubce.bos.{kind[0].upper()}{kind[1:]}"]
        assert event["data"] == {key: value for key, value in element.items() if key != other}
        assert event["source"] == "//bj.bcebos.com/bucket-test"
        assert event["subject"] == "images/test.jpg"
        assert event["time"] == "2009-10-28T22:32:00Z"
        assert event["bceeventtype"] == "PutObject"
        assert event["bceetag"] == "977b9623a15e520c663ac5ff6647e881"
        assert f"int {event['bcelogid']}" == element[kind]["log_id"]
    assert len({event["id"] for event in events.values()}) == 2
    recorded = lines(tmp_path / "data", "recognised")
    assert {line["event"]["type"] for line in recorded} == events.keys()
    assert all(line["rules"] == ["recognised"] for line in recorded)


def test_the_xml_and_the_json_of_tencent_are_the_same_event(
    receiver: Receiver, router: RouterProcess, tmp_path: Path
) -> None:
    for sample in own("tencent"):
        send(router, sample)
    receiver.wait_for(2 * 3)
    assert router.terminate() == 0
    one, other = by_path(receiver, "/structured")
    assert {one.pop("ciformat"), other.pop("ciformat")} == {"xml", "json"}
    assert one == other
    assert one["type"] == "com.tencentcloud.ci.TaskFinish.ImageOCR"
    assert one["id"] == "a3c193f288b2c11eeb60f39de2f86f409:Success"
    assert one["source"] == "//test-1234567890.ci.ap-chongqing.myqcloud.com"
    assert one["subject"] == "pic/ocr1.png"
    assert one["time"] == "2023-11-25T08:47:40+08:00"
    detection = one["data"]["Operation"]["Detection"]
    assert (detection["Angel"], detection["PdfPageSize"]) == ("0", "int 0")
    first, *_ = detection["TextDetections"]
    assert first == {
        "Confidence": "int 98",
        "DetectedText": "锄禾日当午",
        "ItemPolygon": [{"Height": "int 35", "Width": "int 176", "X": "int 40", "Y": "int 24"}],
        "Polygon": [
            {"X": "int 40", "Y": "int 24"},
            {"X": "int 215", "Y": "int 24"},
            {"X": "int 215", "Y": "int 58"},
            {"X": "int 40", "Y": "int 58"},
        ],
        "Words": [{"Confidence": "int 0"}],
    }
    assert len(lines(tmp_path / "data", "recognised")) == 2


def test_what_is_no_json_is_refused_with_its_place_and_nothing_of_it_is_done(
    receiver: Receiver, router: RouterProcess
) -> None:
    whole = next(sample for sample in own("baidu") if sample.name == "2025.json").body.decode()
    broken = whole.replace('"version"', "version")
    line = broken[: broken.index(" version")].count("\n") + 1
    reply = post(f"{router.url}/baidu", broken.encode())
    assert reply.status == 400
    assert f"line {line}, column" in reply.body.decode()
    assert router.terminate() == 0
    assert receiver.requests == []
