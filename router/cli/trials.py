"""What became of a test event, for a person and for a program. Neither is shown a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from router.targets.auth.hiding import forms, hidden
from router.targets.base import Delivered, Rejected
from router.targets.network.facts import Facts
from router.targets.spec import TargetSpec
from router.targets.trial import Exchange, Trial

_SHOWN = re.compile(
    r"(?i)(?:accept|content-type|content-length|idempotency-key|traceparent|user-agent"
    r"|webhook-id|webhook-timestamp|ce-[a-z0-9]+)\Z"
)
"""The headers of ours that hold no secret, whatever the target is. Of all others the value is not shown."""

_COOKIES = re.compile(r"(?i)set-cookie\Z")
_SHORT = 6
"""What is shorter is no secret that could be told from other text in an answer."""

_FIRST = 500
"""How much of a body is shown, in characters."""


def as_json(spec: TargetSpec, trial: Trial, written: Any) -> dict[str, Any]:
    """A trial for a program. Times are in seconds.

    Args:
        spec: the target.
        trial: what became of it.
        written: the kind's settings as the file has them.
    """
    outcome, facts = trial.outcome, trial.facts
    told: dict[str, Any] = {
        "target": spec.name,
        "kind": spec.kind,
        "event": trial.event.id,
        "outcome": _word(trial),
        "reason": None if isinstance(outcome, Delivered) else outcome.reason,
        "timing": {
            "resolve": facts and facts.resolve,
            "connect": facts and facts.connect,
            "tls": facts and facts.tls,
            "total": trial.seconds,
        },
    }
    if trial.exchanges:
        told["exchanges"] = [_exchange(one, trial.event.id, written) for one in trial.exchanges]
    if facts is not None:
        told["peer"] = _peer(facts)
    return told


def _word(trial: Trial) -> str:
    match trial.outcome:
        case Delivered():
            return "delivered"
        case Rejected():
            return "rejected"
        case _:
            return "failed"


def _exchange(one: Exchange, event: str, written: Any) -> dict[str, Any]:
    """A request and its answer. Bodies are the event's only: others hold tokens."""
    held = [value for name, value in one.headers.items() if not _SHOWN.match(name)]
    held += [word for value in held for word in value.split()]
    parts = urlsplit(one.url)
    held += [value for _, value in parse_qsl(parts.query)]
    if _filled(written) is not None:
        held += parts.path.split("/")
    secrets = forms(value for value in held if len(value) >= _SHORT)
    body = one.headers.get("idempotency-key") == event or event.encode() in one.body
    told: dict[str, Any] = {
        "method": one.method,
        "url": _url(one.url, written),
        "headers": {name: _value(name, value) for name, value in one.headers.items()},
        "seconds": one.seconds,
        "status": None,
    }
    if one.reply is not None:
        told["status"] = one.reply.status
        told["answer_headers"] = {
            name: "(not shown)" if _COOKIES.match(name) else hidden(value, secrets)
            for name, value in one.reply.headers.items()
        }
    if body:
        told["body"] = _text(one.body)
        told["answer"] = None if one.reply is None else hidden(_text(one.reply.body), secrets)
    return told


def _value(name: str, value: str) -> str:
    return value if _SHOWN.match(name) else f"({len(value)} characters, not shown)"


def _url(url: str, written: Any) -> str:
    """An address without what may be secret in it: the query's values, and what the environment filled in."""
    parts = urlsplit(url)
    if (given := _filled(written)) is not None:
        return f"{parts.scheme}://{parts.netloc}/… (written as {given.partition('?')[0]})"
    query = re.sub(r"=[^&]*", "=…", parts.query)
    return f"{parts.scheme}://{parts.netloc}{parts.path}{'?' if query else ''}{query}"


def _filled(written: Any) -> str | None:
    """An address as the file has it, if something of the environment is in it."""
    given = written.get("url") if isinstance(written, Mapping) else None
    return given if isinstance(given, str) and "${" in given else None


def _text(body: bytes) -> str:
    text = body[: 4 * _FIRST].decode(errors="replace")
    return text if len(text) <= _FIRST else f"{text[:_FIRST]}…"


def _peer(facts: Facts) -> dict[str, Any]:
    certificate = facts.certificate
    return {
        "name": facts.peer,
        "address": facts.address,
        "addresses": list(facts.addresses),
        "tls": facts.version,
        "http": facts.http,
        "problem": facts.problem,
        "certificate": certificate
        and {
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "names": list(certificate.names),
            "not_before": certificate.not_before.isoformat(),
            "not_after": certificate.not_after.isoformat(),
        },
    }


def lines(spec: TargetSpec, trial: Trial, written: Any) -> Iterator[str]:
    """A trial for a person; arguments as in `as_json`."""
    told = as_json(spec, trial, written)
    yield f"{spec.name} ({spec.kind}), event {trial.event.id}"
    if trial.facts is not None:
        yield from _about(trial.facts)
    for one in told.get("exchanges", ()):
        yield from _said("request", f"{one['method']} {one['url']}", one["headers"], one.get("body"))
        if one["status"] is not None:
            status = f"{one['status']} after {_milliseconds(one['seconds'])}"
            yield from _said("answer", status, one["answer_headers"], one.get("answer"))
    yield _line("total", _milliseconds(trial.seconds))
    reason = f": {told['reason']}" if told["reason"] else ""
    yield _line("result", f"{told['outcome']}{reason}")


def _about(facts: Facts) -> Iterator[str]:
    others = f", one of {len(facts.addresses)} addresses" if len(facts.addresses) > 1 else ""
    reached = f" at {facts.address}" if facts.address else ", which was not reached"
    yield _line("peer", f"{facts.peer}{reached}{others}")
    steps = [("resolving", facts.resolve), ("connecting", facts.connect), ("TLS", facts.tls)]
    yield _line(
        "timing", ", ".join(f"{what} {_milliseconds(took)}" for what, took in steps if took is not None)
    )
    if facts.version is not None:
        yield _line("TLS", f"{facts.version}, {facts.http}")
    if (certificate := facts.certificate) is not None:
        left = (certificate.not_after - datetime.now(UTC)).days
        yield _line("subject", certificate.subject)
        yield _line("issuer", certificate.issuer)
        yield _line("names", ", ".join(certificate.names) or "none")
        yield _line("good until", f"{certificate.not_after.astimezone().isoformat(sep=' ')} ({left} days)")
    if facts.problem is not None:
        yield _line("problem", facts.problem)


def _said(word: str, first: str, headers: Mapping[str, str], body: str | None) -> Iterator[str]:
    yield _line(word, first)
    for name, value in headers.items():
        yield _line("", f"{name}: {value}")
    for line in (body or "").splitlines():
        yield _line("", line)


def _line(word: str, text: str) -> str:
    """One line, with nothing in it that a terminal would obey."""
    return f"{word:<12}{''.join(one if one.isprintable() else '?' for one in text)}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
