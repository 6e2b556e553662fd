"""What HTTP targets sign, signed again by the clouds' own SDKs: the same, to the letter."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from lxml import etree

from tests.client import post
from tests.clients.environments import client
from tests.process import RouterProcess
from tests.receiver import Receiver, Request

CONFIGURATION = """
sources: {bos: {kind: baidu}}
rules:
  - name: read-new-pictures
    match: {type: com.baidubce.bos.PutObject}
    targets:
      - target: ocr-jobs
        transform:
          xml:
            Request:
              Tag: ImageOCR
              Input: {Object: "{{ subject }}"}
              Operation: {ImageOCR: {Type: general}, UserData: "{{ data.eventId }}"}
              CallBackFormat: JSON
      - target: baidu
targets:
  ocr-jobs: {http: {url: "%(url)s/jobs?a=b%%20c&Tag", sign: {cos: {id: AKIDexample, secret: s3cr3t-cos}}}}
  baidu: {http: {url: "%(url)s/v1/b%%20c/?acl", sign: {bce: {id: ak-example, secret: s3cr3t-bce}}}}
"""

BODY = b"""{"events": [{"eventId": "1", "eventType": "PutObject", "eventTime": "2018-09-05T02:28:49Z",
"content": {"domain": "bj.bcebos.com", "bucket": "b", "object": "a<b>&.jpg"}}]}"""

COS = """
import json, sys
from types import SimpleNamespace
from unittest import mock
from qcloud_cos import CosConfig
from qcloud_cos.cos_auth import CosS3Auth

asked = json.load(sys.stdin)
config = CosConfig(Region="ap-chongqing", SecretId="AKIDexample", SecretKey="s3cr3t-cos")
request = SimpleNamespace(method="POST", url=asked["url"], headers=asked["headers"])
auth = CosS3Auth(config, "/jobs", params={"a": "b c", "Tag": ""}, expire=3600)
with mock.patch("time.time", lambda: asked["at"]):
    print(auth(request).headers["Authorization"])
"""

BCE = """
import json, sys
from baidubce.auth.bce_credentials import BceCredentials
from baidubce.auth.bce_v1_signer import sign

asked = json.load(sys.stdin)
headers = {name.encode(): value.encode() for name, value in asked["headers"].items()}
credentials = BceCredentials("ak-example", "s3cr3t-bce")
named = [name.encode() for name in asked["named"]]
print(sign(credentials, b"POST", b"/v1/b%20c/", headers, {b"acl": None}, timestamp=asked["at"],
           headers_to_sign=named).decode())
"""


def asked(environment: str, script: str, question: Mapping[str, Any]) -> str:
    """What a script prints where an SDK is."""
    command: list[str | Path] = [client(environment) / "bin" / "python", "-W", "ignore", "-c", script]
    run = subprocess.run(command, input=json.dumps(question), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def routed(receiver: Receiver, folder: Path) -> dict[str, Request]:
    """The requests that one event makes, by path, and a log that tells no secret."""
    file = folder / "router.yml"
    file.write_text(CONFIGURATION % {"url": receiver.url})
    with RouterProcess([file], folder / "data") as router:
        assert post(f"{router.url}/?event", BODY).status == 200
        requests = receiver.wait_for(2)
        assert router.terminate() == 0
        said = json.dumps(router.log) + "".join(router.output)
    assert "s3cr3t" not in said
    return {request.target.partition("?")[0]: request for request in requests}


def test_tencents_sdk_signs_a_job_the_same(receiver: Receiver, tmp_path: Path) -> None:
    client("tencent")
    request = routed(receiver, tmp_path)["/jobs"]
    job = etree.fromstring(request.body)
    assert job.findtext("Input/Object") == "a<b>&.jpg"
    assert job.findtext("Operation/UserData") == "1"
    members = dict(part.split("=", 1) for part in request.headers["authorization"].split("&"))
    begins = int(members["q-sign-time"].partition(";")[0])
    headers = {name: request.headers[name] for name in ("content-type", "host")}
    assert headers["content-type"] == "application/xml"
    question = {"url": receiver.url + request.target, "headers": headers, "at": begins + 60}
    assert asked("tencent", COS, question) == request.headers["authorization"]


def test_baidus_sdk_signs_a_request_the_same(receiver: Receiver, tmp_path: Path) -> None:
    client("baidu")
    request = routed(receiver, tmp_path)["/v1/b%20c/"]
    _, _, date, _, named, _ = request.headers["authorization"].split("/")
    assert date == request.headers["x-bce-date"]
    assert named == "content-type;host;x-bce-content-sha256;x-bce-date"
    question = {
        "headers": request.headers,
        "named": named.split(";"),
        "at": datetime.fromisoformat(date).timestamp(),
    }
    assert asked("baidu", BCE, question) == request.headers["authorization"]
