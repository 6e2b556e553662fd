"""One cloud's picture read by another one's OCR: every step signed, on one machine."""

from __future__ import annotations

import json
import time
from pathlib import Path

from router.signatures import bce
from router.signatures.base import Key
from tests.client import request
from tests.emulator import EmulatorProcess
from tests.process import RouterProcess
from tests.receiver import Receiver

PUSHES = Key("pushes", "s3cret-of-baidu")
JOBS = Key("AKIDexample", "s3cret-of-tencent")
TOKEN = "t0ken-of-callbacks"

SOURCES = f"""
sources:
  bos: {{kind: baidu, cover_body: true, keys: [{{id: {PUSHES.id}, secret: {PUSHES.secret}}}]}}
  ci: {{kind: tencent, tokens: [{TOKEN}]}}
"""

LOOP = """
rules:
  - name: read-new-pictures
    match: {type: com.baidubce.bos.PutObject, subject: {suffix: .jpg}}
    targets:
      - target: ocr-jobs
        transform:
          xml:
            Request:
              Tag: ImageOCR
              Input: {Object: "{{ subject }}"}
              Operation:
                UserData: "{{ data.eventId }}"
                ImageOCR: {Type: general}
              CallBackFormat: JSON
  - name: what-was-read
    match: {type: com.tencentcloud.ci.TaskFinish.ImageOCR}
    targets:
      - target: hook
        transform:
          json:
            asked: "{{ data.Operation.UserData }}"
            picture: "{{ data.Input.Object }}"
            text: "{{ data.Operation.Detection.TextDetections[].DetectedText }}"
targets:
  ocr-jobs: {http: {url: "%(jobs)s/jobs", sign: {cos: {id: %(id)s, secret: %(secret)s}}}}
  hook: {http: {url: "%(hook)s/hook"}}
"""


def uploaded(name: str, number: str) -> bytes:
    """What Baidu says of a new object."""
    content = {"domain": "bj.bcebos.com", "bucket": "pictures", "object": name, "eTag": "977b"}
    event = {"eventId": number, "eventType": "PutObject", "eventTime": "2026-11-22T12:00:00Z"}
    return json.dumps({"events": [event | {"content": content}]}).encode()


def push(url: str, body: bytes) -> int:
    """Send it as Baidu does, with a signature that covers it."""
    headers = {"content-type": "application/json"} | bce.digests(body)
    wire = headers | {"host": url.removeprefix("http://"), "content-length": str(len(body))}
    headers["authorization"] = bce.sign(PUSHES, "POST", "/", "event", wire, at=time.time())
    return request("POST", f"{url}/?event", body, headers).status


def test_a_picture_comes_in_and_its_text_goes_out(receiver: Receiver, tmp_path: Path) -> None:
    file = tmp_path / "router.yml"
    file.write_text(SOURCES)
    secrets = {
        "ROUTER_EMULATE_KEY_ID": JOBS.id,
        "ROUTER_EMULATE_SECRET": JOBS.secret,
        "ROUTER_EMULATE_TOKEN": TOKEN,
    }
    words = ("tencent", "--jobs", "--port", "0", "--speed", "100")
    with RouterProcess([file], tmp_path / "data") as router:
        with EmulatorProcess(*words, "--to", router.url, environ=secrets) as emulator:
            names = {"jobs": emulator.serving(), "id": JOBS.id, "secret": JOBS.secret, "hook": receiver.url}
            (tmp_path / "new").write_text(SOURCES + LOOP % names)
            (tmp_path / "new").replace(file)  # at once: nobody reads half of it
            router.hang_up()
            router.wait_for_log("router.reloaded")
            assert push(router.url, uploaded("a<b>&c.jpg", "1")) == 200
            assert push(router.url, uploaded("no-picture.txt", "2")) == 200
            (read,) = receiver.wait_for(1)
            assert json.loads(read.body) == {
                "asked": "1",
                "picture": "a<b>&c.jpg",
                "text": ["锄禾日当午", "汗滴禾下土", "谁知盘中餐", "粒粒皆辛苦"],
            }
        assert router.terminate() == 0
        said = json.dumps(router.log) + "".join(router.output)
    assert len(receiver.requests) == 1
    for secret in (PUSHES.secret, JOBS.secret, TOKEN):
        assert secret not in said
