"""The AWS CLI, unmodified, in front of a running router: only `--endpoint-url` says that it is not AWS."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.clients.aws import arrived, environ, started
from tests.clients.environments import client

ENTRIES = json.dumps(
    [
        {"Source": "com.example.orders", "DetailType": "Order Placed", "Detail": '{"total": 1.50}'},
        {"Source": "com.example.orders", "DetailType": "Order Placed"},
    ]
)
EVENT = {
    "id": "1",
    "account": "123456789012",
    "source": "order",
    "time": "2026-11-22T12:00:00Z",
    "region": "eu-central-1",
    "detail-type": "Test",
}


def aws(url: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [
        str(client("aws") / "bin" / "aws"),
        "events",
        *arguments,
        "--endpoint-url",
        url,
        "--output",
        "json",
    ]
    return subprocess.run(
        command, env=environ(**more), capture_output=True, text=True, timeout=120, check=False
    )


def test_put_events_and_test_event_pattern(tmp_path: Path) -> None:
    with started(tmp_path) as router:
        put = aws(router.url, "put-events", "--entries", ENTRIES)
        asked = [
            aws(router.url, "test-event-pattern", "--event-pattern", pattern, "--event", json.dumps(EVENT))
            for pattern in ('{"source": ["order"]}', '{"source": ["shipment"]}', '{"source": "order"}')
        ]
        wrong = aws(router.url, "put-events", "--entries", ENTRIES, AWS_SECRET_ACCESS_KEY="wrong")
        assert router.terminate() == 0
    (event,) = arrived(tmp_path)
    assert json.loads(put.stdout) == {
        "FailedEntryCount": 1,
        "Entries": [
            {"EventId": event["id"]},
            {
                "ErrorCode": "InvalidArgument",
                "ErrorMessage": "Parameter Detail is not valid. Reason: Detail is a required argument.",
            },
        ],
    }
    assert (event["type"], event["data"]) == ("Order Placed", {"total": 1.5})
    assert [json.loads(answer.stdout) for answer in asked[:2]] == [{"Result": True}, {"Result": False}]
    said = "An error occurred (InvalidEventPatternException) when calling the TestEventPattern operation"
    assert f"{said}: Event pattern is not valid." in asked[2].stderr
    assert "(InvalidSignatureException) when calling the PutEvents operation" in wrong.stderr
    assert wrong.stdout == ""
