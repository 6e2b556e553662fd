"""An OCR job as it is submitted, by the rules of "Submitting Tasks" of Tencent CI's API. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlsplit

from router.errors import MessageError
from router.settings import is_loopback
from router.sources import xml

TAG = "ImageOCR"

LEVELS = ("0", "1", "2")

MOST_USER_DATA = 1024
"""Characters of UserData."""

_PLAIN_URL = re.compile(r"[!-\[\]-~]+")
"""Printable ASCII without blanks and backslashes."""

_PRINTABLE = re.compile(r"[ -~]*")

Format = Literal["XML", "JSON"]


class RefusedError(MessageError):
    """A request is refused.

    Attributes:
        code: COS's word for why, such as `InvalidArgument`.
    """

    def __init__(self, code: str, message: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class Queue:
    """What holds for jobs that do not say otherwise.

    Attributes:
        callback: where to call back; None for nowhere.
        anywhere: whether jobs may have callbacks go elsewhere than to this machine.
    """

    callback: str | None = None
    anywhere: bool = False


@dataclass(frozen=True, slots=True)
class Submission:
    """What is to be done.

    Attributes:
        name: the object's.
        operation: JobLevel, and of TemplateId, ImageOCR and UserData what counts.
        callback: where to call back; None for nowhere.
    """

    name: str
    operation: Mapping[str, Any]
    callback: str | None
    format: Format


def read(body: bytes, queue: Queue) -> Submission:
    """A request's body.

    Raises:
        EventError: it is no XML.
        RefusedError: it asks for what the document does not allow, or the emulator does not do.
    """
    root, request = xml.read(body)
    if root != "Request" or type(request) is not dict:
        raise RefusedError("MalformedXML", "the body is no <Request> with elements in it")
    if (tag := _text(request, "Tag")) != TAG:
        raise RefusedError("InvalidArgument", f"Tag: {tag!r}; this emulator takes {TAG} jobs")
    return Submission(
        name=_text(_container(request, "Input"), "Object"),
        operation=_operation(_container(request, "Operation")),
        callback=_callback(request, queue),
        format=_format(request),
    )


def _operation(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is echoed: TemplateId has precedence over ImageOCR."""
    level = _text(given, "JobLevel") or "0"
    if level not in LEVELS:
        raise RefusedError("InvalidArgument", f"Operation.JobLevel: {level!r}; it is 0, 1 or 2")
    found: dict[str, Any] = {"JobLevel": level}
    if template := _text(given, "TemplateId"):
        found |= {"TemplateId": template, "TemplateName": TAG}
    elif TAG in given:
        found[TAG] = _container(given, TAG) if given[TAG] else {}
    else:
        raise RefusedError(
            "InvalidArgument", "Operation: neither TemplateId nor ImageOCR says how to read it"
        )
    if user := _text(given, "UserData"):
        if len(user) > MOST_USER_DATA or not _PRINTABLE.fullmatch(user):
            raise RefusedError(
                "InvalidArgument",
                f"Operation.UserData: at most {MOST_USER_DATA} characters of printable ASCII",
            )
        found["UserData"] = user
    return found


def _callback(request: Mapping[str, Any], queue: Queue) -> str | None:
    kind = _text(request, "CallBackType") or "Url"
    if kind == "TDMQ":
        raise RefusedError("InvalidArgument", "CallBackType: TDMQ is not emulated; Url is")
    if kind != "Url":
        raise RefusedError("InvalidArgument", f"CallBackType: {kind!r}; it is Url or TDMQ")
    given = _text(request, "CallBack")
    if given == "no":
        return None
    if not given:
        return queue.callback
    host = _host(given)
    if not host:
        raise RefusedError("InvalidArgument", "CallBack: neither an http(s) URL nor `no`")
    if not queue.anywhere and not is_loopback(host):
        raise RefusedError(
            "InvalidArgument",
            f"CallBack: {host} is another machine; the emulator calls those only with --anywhere",
        )
    return given


def _host(url: str) -> str | None:
    """The host of an http(s) URL; None for what is none, or what others might read as another host's."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return None
    return parts.hostname if fits and _PLAIN_URL.fullmatch(url) else None


def _format(request: Mapping[str, Any]) -> Format:
    match _text(request, "CallBackFormat"):
        case "XML" | "":
            return "XML"
        case "JSON":
            return "JSON"
        case other:
            raise RefusedError("InvalidArgument", f"CallBackFormat: {other!r}; it is XML or JSON")


def _text(container: Mapping[str, Any], name: str) -> str:
    """A leaf; empty where there is none."""
    value = container.get(name, "")
    if type(value) is not str:
        raise RefusedError("MalformedXML", f"{name}: should stand there once, with text in it")
    return value


def _container(request: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = request.get(name)
    if type(value) is not dict:
        raise RefusedError("InvalidArgument", f"{name}: the request needs one, with elements in it")
    return value
