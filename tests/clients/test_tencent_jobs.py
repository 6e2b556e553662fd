"""Tencent's own SDK submits OCR jobs to the emulator, whose callbacks reach a target through a rule."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.environments import client
from tests.emulator import EmulatorProcess
from tests.process import RouterProcess
from tests.receiver import Receiver

BUCKET = "pictures-1250000000"
SECRET = "s3cret-key"
TOKEN = "t0ken"

CONFIGURATION = """
sources: {ci: {kind: tencent, tokens: [%(token)s]}}
rules:
  - name: read
    match: {type: com.tencentcloud.ci.TaskFinish.ImageOCR, data: {State: Success}}
    targets:
      - target: hook
        transform:
          json:
            text: "{{ data.Operation.Detection.TextDetections[].DetectedText }}"
            mine: "{{ data.Operation.UserData }}"
  - name: unread
    match: {type: com.tencentcloud.ci.TaskFinish.ImageOCR, data: {State: [{anything-but: Success}]}}
    targets:
      - target: hook
        transform: {json: {unread: "{{ subject }}", state: "{{ data.State }}"}}
targets: {hook: {http: {url: "%(url)s/hook"}}}
"""

SUBMIT = """
import json, sys
from qcloud_cos import CosConfig, CosS3Client, CosServiceError

how, bucket, secret, jobs = sys.argv[1:]
config = CosConfig(Region="ap-chongqing", SecretId="AKID", SecretKey=secret, Scheme="http", **json.loads(how))
client = CosS3Client(config, retry=0)
for job in json.loads(jobs):
    try:
        answer = client.ci_create_media_jobs(Bucket=bucket, Jobs=job, Lst={}, ContentType="application/xml")
        print(json.dumps(answer))
    except CosServiceError as error:
        print(json.dumps([error.get_status_code(), error.get_error_code(), error.get_error_msg()]))
"""


def job(name: str, operation: dict[str, Any] | None = None, **more: str) -> dict[str, Any]:
    parameters = operation or {"ImageOCR": {"Type": "general", "IsPdf": "false"}, "UserData": "for me"}
    return {"Tag": "ImageOCR", "Input": {"Object": name}, "Operation": parameters, **more}


def submit(how: dict[str, Any], *jobs: dict[str, Any], secret: str = SECRET) -> list[Any]:
    """What the SDK makes of the answers."""
    words = [str(client("tencent") / "bin/python"), "-c", SUBMIT]
    done = subprocess.run(
        [*words, json.dumps(how), BUCKET, secret, json.dumps(jobs)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def router(receiver: Receiver, tmp_path: Path) -> Iterator[RouterProcess]:
    client("tencent")
    file = tmp_path / "router.yml"
    file.write_text(CONFIGURATION % {"token": TOKEN, "url": receiver.url})
    with RouterProcess([file], tmp_path / "data") as running:
        yield running


@pytest.fixture
def emulator(router: RouterProcess) -> Iterator[EmulatorProcess]:
    secrets = {
        "ROUTER_EMULATE_SECRET": SECRET,
        "ROUTER_EMULATE_KEY_ID": "AKID",
        "ROUTER_EMULATE_TOKEN": TOKEN,
    }
    with EmulatorProcess(
        "tencent", "--jobs", "--port", "0", "--to", router.url, "--speed", "100", environ=secrets
    ) as running:
        yield running


@pytest.mark.parametrize("way", ["domain", "address"])
def test_from_the_submission_to_the_target(
    way: str, emulator: EmulatorProcess, router: RouterProcess, receiver: Receiver
) -> None:
    host, port = emulator.serving().removeprefix("http://").split(":")
    how = {"Domain": f"{host}:{port}"} if way == "domain" else {"IP": host, "Port": int(port)}
    own = f"{router.url}/tencent?token={TOKEN}"
    answers = submit(
        how,
        job("pic/1.png", CallBack=own, CallBackFormat="JSON"),
        job("pic/2.png", {"TemplateId": "t1", "UserData": "for me"}, CallBackFormat="XML"),
        job("pic/failed.png", CallBack=own),
        job("pic/cancel.png"),
        job("pic/quiet.png", CallBack="no"),
    )
    details = [answer["JobsDetail"][0] for answer in answers]
    assert {detail["State"] for detail in details} == {"Submitted"}
    assert details[0]["Operation"]["ImageOCR"] == {"Type": "general", "IsPdf": "false"}
    assert details[1]["Operation"]["TemplateId"] == "t1"
    bucket = BUCKET if way == "address" else "test-1234567890"  # a domain of one's own names no bucket
    assert {detail["Input"]["BucketId"] for detail in details} == {bucket}
    bodies = [json.loads(request.body) for request in receiver.wait_for(4)]
    read = {"text": ["锄禾日当午", "汗滴禾下土", "谁知盘中餐", "粒粒皆辛苦"], "mine": "for me"}
    assert sorted(bodies, key=str) == sorted(
        [
            read,
            read,
            {"unread": "pic/failed.png", "state": "Failed"},
            {"unread": "pic/cancel.png", "state": "Cancel"},
        ],
        key=str,
    )
    emulator.wait_for(lambda told: told.get("then") == "taken", 4)
    assert emulator.interrupt() == 0
    assert len(emulator.told) == 5 + 4
    assert TOKEN not in str(emulator.told)


def test_what_the_document_forbids_is_refused_in_words_the_sdk_understands(
    emulator: EmulatorProcess, receiver: Receiver
) -> None:
    how = {"Domain": emulator.serving().removeprefix("http://")}
    answers = submit(
        how,
        job("1.png", {"JobLevel": "0"}),
        job("1.png", {"TemplateId": "t1", "JobLevel": "3"}),
        job("1.png", {"TemplateId": "t1", "UserData": "x" * 1025}),
        job("1.png", CallBackType="TDMQ"),
        job("1.png", CallBack="http://callback.demo.com/"),
    )
    assert [answer[:2] for answer in answers] == [[400, "InvalidArgument"]] * 5
    told = ("neither TemplateId nor ImageOCR", "JobLevel: '3'", "UserData", "TDMQ is not", "another machine")
    assert all(words in answer[2] for words, answer in zip(told, answers, strict=True))
    ((status, code, _),) = submit(how, job("1.png"), secret="another")
    assert (status, code) == (403, "SignatureDoesNotMatch")
    assert receiver.requests == []


def test_a_callback_that_the_router_refuses_is_lost(emulator: EmulatorProcess, router: RouterProcess) -> None:
    how = {"Domain": emulator.serving().removeprefix("http://")}
    submit(how, job("1.png", CallBack=f"{router.url}/tencent?token=wrong"))
    emulator.wait_for(lambda told: told.get("then") == "lost")
    assert emulator.interrupt() == 1
