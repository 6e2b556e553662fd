"""PostEvent: what happened to an object, without the credentials that come with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.sources.baidu import BaiduSource
from tests.sources.support import events, post, refusal

SOURCE = BaiduSource()
CREDENTIALS = {
    "accessKeyId": "TEMPORARY-KEY",
    "secretAccessKey": "TEMPORARY-SECRET",
    "sessionToken": "TEMPORARY-TOKEN",
    "expiration": "2018-09-05T03:28:49Z",
}
REDACTED = dict.fromkeys(CREDENTIALS, "[redacted]")


def event(content: Any = None, **members: Any) -> dict[str, Any]:
    """As the documents describe it (cloud.baidu.com/doc/BOS/s/lkc4lyou5)."""
    described = {
        "version": "1.0",
        "eventFrom": "Client",
        "eventId": "2a513199-bbb9-4ac7-b12a-60213c26810d",
        "eventOrigin": "bos:realtime",
        "eventType": "PutObject",
        "eventTime": "2018-09-05T02:28:49Z",
        "configurationId": "rule-1",
        "content": {
            "userId": "c7ac82ae14ef42d1a4ffa3b2ececa17f",
            "domain": "bj.bcebos.com",
            "bucket": "bucket-test",
            "object": "images/test.jpg",
            "eTag": "977b9623a15e520c663ac5ff6647e881",
            "contentType": "application/octet-stream",
            "filesize": 100,
            "lastModified": "2018-09-05T02:28:49Z",
            "credentials": CREDENTIALS,
            "xVars": '{"saveUrl": "http://xxx.com/ocr"}',
        }
        | (content or {}),
    }
    return {name: value for name, value in (described | members).items() if value is not None}


def push(*elements: Any) -> bytes:
    return json.dumps({"events": elements}).encode()


def test_an_event_of_an_object_becomes_an_event() -> None:
    (found,) = events(SOURCE, post(push(event()), query="event"))
    assert found.attributes() == {
        "specversion": "1.0",
        "id": "2a513199-bbb9-4ac7-b12a-60213c26810d",
        "source": "//bj.bcebos.com/bucket-test",
        "type": "com.baidubce.bos.PutObject",
        "subject": "images/test.jpg",
        "time": "2018-09-05T02:28:49Z",
        "datacontenttype": "application/json",
        "bceeventtype": "PutObject",
        "bceetag": "977b9623a15e520c663ac5ff6647e881",
    }
    assert found.value() == event({"credentials": REDACTED})


@pytest.mark.parametrize("query", ["event", "event=", "", "x&event"])
def test_it_is_told_by_the_query_or_by_its_id(query: str) -> None:
    (found,) = events(SOURCE, post(push(event()), path="/anywhere", query=query))
    assert found.type == "com.baidubce.bos.PutObject"


def test_what_it_adds_tomorrow_is_kept_and_is_no_result() -> None:
    (found,) = events(SOURCE, post(push(event(region="bj")), query="event"))
    assert found.value()["region"] == "bj"
    (result,) = events(SOURCE, post(push(event(imageOcr={"log_id": 1}))))
    assert result.type == "com.baidubce.bos.ImageOcr"


def test_a_push_may_hold_several() -> None:
    other = event(eventId="2", eventType="BosLifecycle:Copy")
    found = events(SOURCE, post(push(event(), other), query="event"))
    assert [one.type for one in found] == ["com.baidubce.bos.PutObject", "com.baidubce.bos.BosLifecycle:Copy"]
    assert found[1].id == "2"


def test_without_an_id_it_is_known_by_what_is_in_it_but_not_by_its_credentials() -> None:
    def id_of(**content: Any) -> str:
        (found,) = events(SOURCE, post(push(event(content, eventId=None)), query="event"))
        return found.id

    assert id_of() == id_of(credentials=CREDENTIALS | {"sessionToken": "ANOTHER"})
    assert id_of() != id_of(object="images/other.jpg")


def test_deletions_of_many_objects_need_no_object() -> None:
    deleted = event({"object": None}, eventType="DeleteMultipleObjects")
    (found,) = events(SOURCE, post(push(deleted), query="event"))
    assert (found.type, found.subject) == ("com.baidubce.bos.DeleteMultipleObjects", None)


@pytest.mark.parametrize(
    ("element", "query", "message"),
    [
        (event(eventType=None), "event", "events[0].eventType: a non-empty string should stand there"),
        (event({"bucket": 5}), "event", "events[0].content.bucket: a non-empty string should stand there"),
        ({"eventId": "1", "content": 1, "eventType": "x"}, "event", "events[0].content: is missing"),
        (event(), "result", "events[0]: holds no result, such as imageOcr or imageClassify"),
    ],
)
def test_what_is_no_event_is_refused(element: Any, query: str, message: str) -> None:
    assert refusal(SOURCE, post(push(element), query=query)).startswith(message)


def test_credentials_are_in_nothing_that_is_kept_or_said() -> None:
    body = push(event())
    received = SOURCE.read(post(body, query="event"))
    assert received.original is not None
    assert received.original.body == push(event({"credentials": REDACTED}))
    assert "TEMPORARY" not in repr(received)
    broken = body.replace(b'"TEMPORARY-SECRET"', b"TEMPORARY-SECRET")
    assert b"TEMPORARY" not in SOURCE.redacted(broken)
    assert refusal(SOURCE, post(broken.replace(b'"filesize": 100', b'"filesize": '))).count("TEMPORARY") == 0
