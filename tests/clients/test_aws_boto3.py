"""boto3, unmodified, in front of a running router: only `endpoint_url` says that it is not AWS."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.clients.aws import KEY, OLD, SECRET, arrived, begin, ended, run, started, write
from tests.process import RouterProcess

CALL = """
import json, sys
from datetime import datetime, timezone
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

def client(service="events", attempts=3, **more):
    config = Config(retries={"mode": "standard", "total_max_attempts": attempts}, read_timeout=20)
    return boto3.client(service, endpoint_url=sys.argv[1], config=config, **more)

def said(call, **arguments):
    try:
        answer = call(**arguments)
    except ClientError as error:
        answer = error.response
    metadata = answer.pop("ResponseMetadata")
    return answer | {
        "status": metadata["HTTPStatusCode"], "retries": metadata["RetryAttempts"],
        "request": len(metadata["RequestId"]),
    }

def entry(detail='{"total": 1.50}', **more):
    return {"Source": "com.example.orders", "DetailType": "Order Placed", "Detail": detail, **more}
"""

PUT = """
full = entry(Time=datetime(2026, 1, 2, 3, 4, 5, 678000, timezone.utc), Resources=["arn:aws:s3:::b/a"],
             EventBusName="orders", TraceHeader="Root=1-5759e988-bd862e3fe1be46a994272793")
answer = said(client().put_events, Entries=[
    full, entry(DetailType=""), entry("[1]"), {"Source": "s"}, entry('{"text": "\\u9501"}', Source="my app")])
print(json.dumps(answer))
"""


def put(router: RouterProcess, script: str, *arguments: str, **more: str) -> Any:
    return run(CALL + script, router.url, *arguments, **more)


def test_put_events(tmp_path: Path) -> None:
    with started(tmp_path, account="123456789012") as router:
        answer = put(router, PUT)
        assert router.terminate() == 0
    events = arrived(tmp_path)
    first, last = (event["id"] for event in events)
    required = "Parameter {0} is not valid. Reason: {0} is a required argument.".format
    assert answer == {
        "FailedEntryCount": 3,
        "Entries": [
            {"EventId": first},
            {"ErrorCode": "InvalidArgument", "ErrorMessage": required("DetailType")},
            {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."},
            {"ErrorCode": "InvalidArgument", "ErrorMessage": required("DetailType")},
            {"EventId": last},
        ],
        "status": 200,
        "retries": 0,
        "request": 36,
    }
    common = {
        "specversion": "1.0",
        "type": "Order Placed",
        "datacontenttype": "application/json",
        "awsaccount": "123456789012",
        "awsregion": "eu-central-1",
    }
    assert events[0] == {
        **common,
        "id": first,
        "source": "com.example.orders",
        "subject": "arn:aws:s3:::b/a",
        "time": "2026-01-02T03:04:05.678Z",
        "awseventbus": "orders",
        "awsresources": '["arn:aws:s3:::b/a"]',
        "awstraceheader": "Root=1-5759e988-bd862e3fe1be46a994272793",
        "data": {"total": 1.5},
    }
    del events[1]["time"]
    assert events[1] == {
        **common,
        "id": last,
        "source": "my%20app",
        "awseventbus": "default",
        "awssource": "my app",
        "data": {"text": "锁"},
    }


REFUSED = """
import datetime, botocore.auth
skew = datetime.timedelta(seconds=float(sys.argv[2]))
now = botocore.auth.get_current_datetime
botocore.auth.get_current_datetime = lambda *given, **named: now(*given, **named) + skew
keys = json.loads(sys.argv[3])
print(json.dumps(said(client(**keys).put_events, Entries=[entry()])))
"""

WRONG = (
    "InvalidSignatureException",
    "The request signature we calculated does not match the signature you provided.",
)
CREDENTIALS = {
    "wrong secret": ({"aws_secret_access_key": "wrong"}, 0, *WRONG),
    "another key's secret": ({"aws_secret_access_key": OLD["secret"]}, 0, *WRONG),
    "unknown key": (
        {"aws_access_key_id": "AKIAELSE"},
        0,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    ),
    "late": ({}, -400, "InvalidSignatureException", "Signature expired: "),
    "early": ({}, 400, "InvalidSignatureException", "Signature not yet current: "),
}


def test_who_may_not_send_is_refused_and_nothing_is_stored(tmp_path: Path) -> None:
    with started(tmp_path) as router:
        for given, skew, code, message in CREDENTIALS.values():
            keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, **given}
            answer = put(router, REFUSED, str(skew), json.dumps(keys))
            assert (answer["status"], answer["Error"]["Code"]) == (400, code)
            assert answer["Error"]["Message"].startswith(message)
            assert (answer["retries"], answer["request"]) == (0, 36)
        assert router.terminate() == 0
        log = json.dumps(router.log) + "".join(router.output)
    assert arrived(tmp_path) == []
    for secret in (SECRET, OLD["secret"], "Signature=", "Credential="):
        assert secret not in log


def test_either_of_two_keys_and_a_session_token_will_do(tmp_path: Path) -> None:
    script = "print(json.dumps(said(client(**json.loads(sys.argv[2])).put_events, Entries=[entry()])))"
    old = {"aws_access_key_id": OLD["id"], "aws_secret_access_key": OLD["secret"]}
    with started(tmp_path) as router:
        for keys in ({}, old, {**old, "aws_session_token": "a-session"}, {"region_name": "cn-north-1"}):
            assert put(router, script, json.dumps(keys))["FailedEntryCount"] == 0
        assert router.terminate() == 0
    assert [event["awsregion"] for event in arrived(tmp_path)] == ["eu-central-1"] * 3 + ["cn-north-1"]


def test_a_path_of_its_own_and_an_address_from_the_environment(tmp_path: Path) -> None:
    script = """
calls = boto3.client("events")
print(json.dumps(said(calls.put_events, Entries=[entry()])))
"""
    with started(tmp_path, path="/aws") as router:
        answer = run(CALL + script, AWS_ENDPOINT_URL_EVENTBRIDGE=f"{router.url}/aws")
        assert router.terminate() == 0
    assert [event["id"] for event in arrived(tmp_path)] == [answer["Entries"][0]["EventId"]]


WHOLE = """
answers = {
    "eleven": said(client().put_events, Entries=[entry()] * 11),
    "megabyte": said(client().put_events, Entries=[entry(json.dumps({"x": "x" * 105_000}))] * 10),
    "body": said(client().put_events, Entries=[entry(json.dumps({"x": "x" * 2_100_000}))]),
    "bus": said(client().put_events, Entries=[entry(EventBusName="arn:aws:events:eu-central-1:1:b")]),
    "operation": said(client().list_rules),
    "v2": said(client("eventbridgev2").list_event_buses),
}
print(json.dumps({name: [answer["status"], *answer["Error"].values()] for name, answer in answers.items()}))
"""


def test_calls_that_fail_as_a_whole(tmp_path: Path) -> None:
    with started(tmp_path, settings={"body": "2MB"}) as router:
        answers = put(router, WHOLE)
        assert router.terminate() == 0
    assert arrived(tmp_path) == []
    constraint = "Value at 'entries{}' failed to satisfy constraint: Member must {}".format
    assert answers["eleven"][0] == 400
    assert answers["eleven"][1].endswith(constraint("", "have length less than or equal to 10"))
    assert answers["eleven"][2] == "ValidationException"
    assert answers["megabyte"] == [
        400,
        "Total size of the entries in the request is over the limit.",
        "ValidationException",
    ]
    assert (answers["body"][0], answers["body"][2]) == (413, "RequestEntityTooLargeException")
    assert constraint(".1.member.eventBusName", "satisfy regular expression") in answers["bus"][1]
    assert answers["operation"] == [
        400,
        (
            "X-Amz-Target AWSEvents.ListRules is not supported here; "
            "AWSEvents.PutEvents and AWSEvents.TestEventPattern are."
        ),
        "UnknownOperationException",
    ]
    assert answers["v2"][::2] == [400, "UnknownOperationException"]
    assert "is a call of EventBridge v2, which is not spoken here" in answers["v2"][1]


def test_rules_may_match_the_envelope(tmp_path: Path) -> None:
    script = "print(json.dumps(said(client().put_events, Entries=[entry()])))"
    with started(tmp_path, data="envelope", account="123456789012") as router:
        (result,) = put(router, script)["Entries"]
        assert router.terminate() == 0
    (event,) = arrived(tmp_path)
    assert event["data"].pop("time")[:-1] == event["time"][:19]
    assert event["data"] == {
        "version": "0",
        "id": result["EventId"],
        "detail-type": "Order Placed",
        "source": "com.example.orders",
        "account": "123456789012",
        "region": "eu-central-1",
        "resources": [],
        "detail": {"total": 1.5},
    }


PATTERN = """
event = {"id": "1", "account": "123456789012", "source": "order", "time": "2026-11-22T12:00:00Z",
         "region": "eu-central-1", "detail-type": "Test", "detail": {"n": [2, 3]}}
def test(pattern, event=event):
    answer = said(client().test_event_pattern, EventPattern=json.dumps(pattern), Event=json.dumps(event))
    return answer.get("Result", answer.get("Error"))
print(json.dumps([
    test({"source": ["order"], "detail": {"n": [{"numeric": [">", 2]}]}}),
    test({"source": ["shipment"]}),
    test({"source": "order"}),
    test({"source": ["order"]}, {"source": "order"}),
]))
"""


def test_test_event_pattern(tmp_path: Path) -> None:
    with started(tmp_path) as router:
        matches, other, no_pattern, no_event = put(router, PATTERN)
        assert router.terminate() == 0
    assert (matches, other) == (True, False)
    assert no_pattern["Code"] == "InvalidEventPatternException"
    reason = 'Event pattern is not valid. Reason: "source" must be an object or an array'
    assert no_pattern["Message"].startswith(reason)
    assert no_event["Code"] == "ValidationException"
    assert no_event["Message"].endswith("it has no id, account, time, region, detail-type.")
    assert arrived(tmp_path) == []


@contextmanager
def losing_first_answers(url: str, count: int) -> Iterator[str]:
    """A way to the router that loses its first answers, after the router has given them."""
    router = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))
    lost = iter(range(count))

    def serve() -> None:
        while True:
            try:
                sender, _ = listener.accept()
            except OSError:
                return
            with sender, socket.create_connection((router.hostname or "", router.port or 0)) as through:
                exchange(sender, through, loses=next(lost, None) is not None)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def exchange(sender: socket.socket, through: socket.socket, *, loses: bool) -> None:
    """One request whose body says where it ends, and its answer."""
    request = b""
    while not request.endswith(b"]}"):
        request += sender.recv(65536)
    through.sendall(request)
    answer = b""
    while not answer.endswith(b"]}"):
        answer += through.recv(65536)
    if not loses:
        sender.sendall(answer)


@pytest.mark.parametrize("data", ["detail", "envelope"])
def test_a_retry_is_the_same_event(data: str, tmp_path: Path) -> None:
    script = "print(json.dumps(said(client().put_events, Entries=[entry(), entry()])))"
    with started(tmp_path, data=data) as router:
        with losing_first_answers(router.url, 2) as url:
            answer = run(CALL + script, url)
        assert router.terminate() == 0
    assert (answer["status"], answer["retries"]) == (200, 2)
    ids = [result["EventId"] for result in answer["Entries"]]
    assert [event["id"] for event in arrived(tmp_path)] == ids


FILL = """
big, number, calls = "x" * 90_000, 0, client(attempts=1)
while True:
    answer = said(calls.put_events, Entries=[entry(json.dumps({"n": number, "x": big}))])
    if answer["status"] != 200:
        break
    number += 1
again = said(client(attempts=2).put_events, Entries=[entry(json.dumps({"x": big}))])
print(json.dumps([number, answer["Error"], again["retries"]]))
"""

PATIENT = """
calls, answers = client(attempts=12), []
def answered(**_):
    if not answers:
        print("turned away", flush=True)
    answers.append(1)
calls.meta.events.register("response-received.events.PutEvents", answered)
print(json.dumps(said(calls.put_events, Entries=[entry(json.dumps({"x": "x" * 90_000}))])))
"""


def test_a_full_store_throttles_and_retries_bring_the_event_in(tmp_path: Path) -> None:
    with started(tmp_path, settings={"quota": "2MB", "archive": {"most": "1MB"}}) as router:
        number, error, retries = put(router, FILL)
        assert error["Code"] == "ThrottlingException"
        assert error["Message"].startswith("Rate exceeded: nothing was stored, try again in ")
        assert retries == 1  # boto3 knows the name, and tries again
        patient = begin(CALL + PATIENT, router.url)
        assert patient.stdout is not None
        assert patient.stdout.readline() == "turned away\n"
        write(tmp_path, {"quota": "50MB", "archive": {"most": "1MB"}})
        router.wait_for_log("router.reloaded", 30)
        answer = ended(patient)
        assert answer["status"] == 200
        assert answer["retries"] > 0
        assert router.terminate() == 0
    events = arrived(tmp_path)
    assert [event["data"].get("n") for event in events] == [*range(number), None]
    assert events[-1]["id"] == answer["Entries"][0]["EventId"]
