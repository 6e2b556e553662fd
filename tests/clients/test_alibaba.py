"""Alibaba's two EventBridge SDKs, unmodified, in front of a running router: only the endpoint is another."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.clients.arrivals import arrived
from tests.clients.environments import client
from tests.process import RouterProcess

KEY, SECRET = "LTAI-router-test", "s3cret-of-the-test"
OLD = {"id": KEY, "secret": "the-secret-before"}

OLDER = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
from Tea.exceptions import TeaException
from alibabacloud_eventbridge import models
from alibabacloud_eventbridge.client import Client
from alibabacloud_tea_util.client import Client as Util

endpoint, id_, secret, skew, entries = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), sys.argv[5]
Util.get_date_utcstring = staticmethod(
    lambda: time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + skew)))
config = models.Config(access_key_id=id_, access_key_secret=secret, endpoint=endpoint, protocol="http")
events = []
for entry in json.loads(entries):
    data = entry.pop("data")
    entry = {"extensions": {}, "data": json.dumps(data).encode(), **entry}
    events.append(models.CloudEvent(**entry))
try:
    print(json.dumps(Client(config).put_events(events).to_map()))
except TeaException as error:
    print(json.dumps({"code": error.code, "message": error.message, "data": error.data}))
"""

NEWER = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
from alibabacloud_eventbridge20200401 import models
from alibabacloud_eventbridge20200401.client import Client
from alibabacloud_tea_openapi import exceptions, utils
from alibabacloud_tea_openapi.utils_models import Config

endpoint, id_, secret, skew, entries = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), sys.argv[5]
stamp = lambda *_: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + skew))
utils.Utils.get_timestamp = staticmethod(stamp)
config = Config(access_key_id=id_, access_key_secret=secret, endpoint=endpoint, protocol="HTTP")
events = [models.PutEventsRequestEventList().from_map(entry) for entry in json.loads(entries)]
request = models.PutEventsRequest(event_bus_name="default", event_list=events)
try:
    print(json.dumps(Client(config).put_events(request).to_map()))
except exceptions.AlibabaCloudException as error:
    print(json.dumps({"name": error.name, "code": error.code, "message": error.message,
                      "status": error.status_code, "wait": getattr(error, "retry_after", None)}))
"""

SDKS = {"alibaba": OLDER, "alibaba2020": NEWER}
sdks = pytest.mark.parametrize("sdk", SDKS)

MODERATED = {"Suggestion": "block", "n": 1.5, "text": "锁"}
EVENT = {"id": "1", "source": "acs.imm", "type": "imm:Task:ImageModeration", "data": MODERATED}
ENTRY = {"Id": "1", "Source": "acs.imm", "Type": "imm:Task:ImageModeration", "Data": MODERATED}
ONE = {"alibaba": EVENT, "alibaba2020": ENTRY}


def started(folder: Path, settings: Mapping[str, Any] | None = None) -> RouterProcess:
    """A router that asks for signatures, and whose events all arrive in a file."""
    deployment = {
        "sources": {"sdks": {"kind": "openapi", "keys": [OLD, {"id": KEY, "secret": SECRET}]}},
        "rules": [{"name": "all", "match": {"type": "*"}, "targets": ["arrived"]}],
        "targets": {"arrived": {"file": {"path": "arrived.jsonl"}}},
        "settings": dict(settings or {}),
    }
    file = folder / "router.yml"
    file.write_text(json.dumps(deployment))
    return RouterProcess([file], folder / "data")


def put(
    router: RouterProcess, sdk: str, *entries: Any, key: str = KEY, secret: str = SECRET, skew: float = 0
) -> dict[str, Any]:
    """What an SDK makes of the answer."""
    endpoint = urlsplit(router.url).netloc
    python = client(sdk) / "bin" / "python"
    done = subprocess.run(
        [python, "-c", SDKS[sdk], endpoint, key, secret, str(skew), json.dumps(entries)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_the_older_sdk_puts_events(tmp_path: Path) -> None:
    inline = {**EVENT, "id": "2", "datacontenttype": "application/json", "subject": "acs:oss:中"}
    with started(tmp_path) as router:
        answer = put(
            router,
            "alibaba",
            {**EVENT, "extensions": {"aliyuneventbusname": "default"}},
            inline,
            {**EVENT, "id": "3", "type": ""},
            {**EVENT, "id": "4", "extensions": {"verdict": "pass"}},
        )
        events = arrived(tmp_path / "data" / "arrived.jsonl", 3)
    assert (answer["FailedEntryCount"], len(answer["RequestId"])) == (1, 36)
    assert [entry.get("EventId") for entry in answer["EntryList"]] == ["1", "2", None, "4"]
    assert answer["EntryList"][2]["ErrorCode"] == "InvalidArgument"
    assert answer["EntryList"][2]["ErrorMessage"].startswith("type: ''")
    common = {"specversion": "1.0", "source": EVENT["source"], "type": EVENT["type"], "verdict": "block"}
    assert events["1"] == {
        **common,
        "id": "1",
        "datacontenttype": "application/json; charset=utf-8",
        "aliyuneventbusname": "default",
        "data": MODERATED,
    }
    assert events["2"] == {
        **common,
        "id": "2",
        "datacontenttype": "application/json",
        "subject": "acs:oss:中",
        "data": MODERATED,
    }
    assert events["4"]["verdict"] == "block"


def test_the_newer_sdk_puts_events(tmp_path: Path) -> None:
    with started(tmp_path) as router:
        answer = put(
            router,
            "alibaba2020",
            {
                **ENTRY,
                "Subject": "s p&=中",
                "Time": "2020-08-24T13:54:05.965Asia/Shanghai",
                "SpecVersion": "1.0",
            },
            {**ENTRY, "Id": "2", "Source": ""},
            {**ENTRY, "Id": "3", "Data": {"Status": "Failed"}},
        )
        events = arrived(tmp_path / "data" / "arrived.jsonl", 2)
    assert answer["statusCode"] == 200
    body = answer["body"]
    assert (body["Code"], body["Success"], len(body["RequestId"])) == ("200", True, 36)
    assert body["Data"]["FailedEntryCount"] == 1
    entries = body["Data"]["EntryList"]
    assert [entry.get("EventId") for entry in entries] == ["1", None, "3"]
    assert entries[1]["ErrorMessage"].startswith("source: ''")
    assert events["1"] == {
        "specversion": "1.0",
        "id": "1",
        "source": "acs.imm",
        "type": "imm:Task:ImageModeration",
        "subject": "s p&=中",
        "time": "2020-08-24T13:54:05.965+08:00",
        "aliyuneventbusname": "default",
        "verdict": "block",
        "data": MODERATED,
    }
    assert (events["3"]["verdict"], events["3"]["verdictreason"]) == ("review", "failed")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"secret": "wr0ng-secret"}, "SignatureDoesNotMatch"),
    ({"key": "LTAI-unknown"}, "InvalidAccessKeyId"),
    ({"skew": -1000.0}, "InvalidTimeStamp.Expired"),
    ({"skew": 1000.0}, "InvalidTimeStamp.Expired"),
]


@sdks
def test_a_wrong_signature_is_refused(tmp_path: Path, sdk: str) -> None:
    with started(tmp_path) as router:
        told = [put(router, sdk, ONE[sdk], **given) for given, _ in REFUSED]
        put(router, sdk, ONE[sdk], secret=OLD["secret"])  # both secrets count while one is exchanged
        arrived(tmp_path / "data" / "arrived.jsonl", 1)
        assert router.terminate() == 0
        log = json.dumps(router.log)
    assert [answer["code"] for answer in told] == [code for _, code in REFUSED]
    assert len((tmp_path / "data" / "arrived.jsonl").read_text().splitlines()) == 1
    assert not [secret for secret in (SECRET, OLD["secret"], "wr0ng-secret", "HMAC") if secret in log]


@sdks
def test_too_many_entries_are_refused_whole(tmp_path: Path, sdk: str) -> None:
    with started(tmp_path) as router:
        told = put(router, sdk, *[ONE[sdk]] * 17)
        assert put(router, sdk, *[{**ONE[sdk], "data" if sdk == "alibaba" else "Data": 1}] * 16)
        arrived(tmp_path / "data" / "arrived.jsonl", 1)
    assert told["code"] == "InvalidArgument"
    assert "17 events in one request; PutEvents takes at most 16" in told["message"]


@sdks
def test_a_full_store_is_throttling(tmp_path: Path, sdk: str) -> None:
    full = {"quota": "1KB", "archive": {"for": "1d", "most": "0B"}}
    with started(tmp_path, full) as router:
        told = put(router, sdk, ONE[sdk])
    assert told["code"] == "TooManyRequests"
    if sdk == "alibaba2020":
        assert (told["status"], told["name"]) == (429, "ThrottlingException")
        assert told["wait"] >= 1000  # the SDK counts milliseconds
