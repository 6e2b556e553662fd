"""Calls as boto3 makes them, for the tests of the source `aws`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from router.signatures.base import Key
from router.sources.aws import AwsSettings, AwsSource
from router.sources.base import Answer, Request
from tests.signatures.sigv4_signer import signed

NOW = 1_790_000_000.0
KEY = Key("AKIAEXAMPLE", "s3cret-of-the-key")
KEYS = [{"id": KEY.id, "secret": KEY.secret}]
ENTRY: dict[str, Any] = {
    "Source": "com.example.orders",
    "DetailType": "Order Placed",
    "Detail": '{"total": 1.50}',
}
EVENT: dict[str, Any] = {
    "id": "1",
    "account": "123456789012",
    "source": "order",
    "time": "2026-11-22T12:00:00Z",
    "region": "eu-central-1",
    "detail-type": "Test",
}


def source(**settings: Any) -> AwsSource:
    return AwsSource(AwsSettings.model_validate({"kind": "aws", **settings}))


def call(
    content: Any,
    operation: str = "PutEvents",
    *,
    key: Key = KEY,
    at: float = NOW,
    now: float = NOW,
    more: Mapping[str, str] | None = None,
    scope: str = "eu-central-1/events",
) -> Request:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = signed(key, body, at=at, target=f"AWSEvents.{operation}", more=more, scope=scope)
    return Request("POST", "/", "", headers, body, now)


def put(*entries: Mapping[str, Any], **more: Any) -> Request:
    return call({"Entries": list(entries)}, **more)


def said(answer: Answer) -> Any:
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"
    assert len(answer.headers["x-amzn-requestid"]) == 36
    return json.loads(answer.body)
