"""`router.yml`: sources and settings."""

from __future__ import annotations

import pytest

from router.config.report import Report
from router.config.yaml import read
from router.main import SOURCES
from router.settings import Kinds, Settings, is_loopback, read_settings
from router.sources.alibaba import AlibabaSource
from router.sources.baidu import BaiduSource
from router.sources.cloudevents import CloudEventsSource

KINDS: Kinds = {"cloudevents": CloudEventsSource, "alibaba": AlibabaSource, "baidu": BaiduSource}


def settings(*texts: str, environ: dict[str, str] | None = None) -> tuple[Settings, list[str]]:
    report = Report()
    documents = []
    for name, text in zip("abc", texts, strict=False):
        document, problems = read(text.encode(), f"{name}.yml")
        assert problems == []
        documents.append(document)
    found = read_settings(documents, KINDS, environ or {}, report)
    return found, [str(problem) for problem in report.problems]


def test_without_a_file_every_source_is_open_on_loopback() -> None:
    found, problems = settings()
    assert problems == []
    assert [(one.name, one.kind, one.paths, one.verifies) for one in found.sources] == [
        (kind, kind, tuple(source().paths), False) for kind, source in KINDS.items()
    ]
    assert (found.host, found.port, found.body) == ("127.0.0.1", 8080, 1_000_000)


def test_with_sources_only_those_exist() -> None:
    found, problems = settings(
        "sources: {imm: {kind: alibaba}, bos: {kind: baidu, path: /bos}, b: {kind: baidu}}"
    )
    assert problems == []
    assert [(one.name, one.kind, one.paths) for one in found.sources] == [
        ("imm", "alibaba", ("/alibaba",)),
        ("bos", "baidu", ("/bos",)),
        ("b", "baidu", tuple(BaiduSource().paths)),
    ]


@pytest.mark.parametrize("text", ["sources:", "sources: {}"])
def test_with_no_sources_none_exist(text: str) -> None:
    assert settings(text) == (Settings(()), [])


def test_settings_may_be_said() -> None:
    found, problems = settings(
        "settings: {listen: {host: '${HOST}', port: '${PORT:-9090}'}, body: 10MB}",
        environ={"HOST": "0.0.0.0"},
    )
    assert (found.host, found.port, found.body) == ("0.0.0.0", 9090, 10_000_000)
    assert [problem.partition(" warning: ")[0] for problem in problems] == ["a.yml:1:12:"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_is_no_news(host: str) -> None:
    assert is_loopback(host)
    assert settings(f"settings: {{listen: {{host: '{host}'}}}}")[1] == []


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.0.2.1", "router.example.com", "127.0.0.1.example.com"]
)
def test_beyond_loopback_serve_will_refuse(host: str) -> None:
    assert not is_loopback(host)
    found, problems = settings("settings: {listen: {host: '${HOST}', port: 1}}", environ={"HOST": host})
    assert found.host == host
    (complaint,) = problems
    assert complaint == (
        f"a.yml:1:12: warning: `serve` will refuse to run: it listens on {host}, and anybody could send to "
        "'cloudevents', 'alibaba', 'baidu'; give each source keys or tokens (router/sources/README.md), "
        "or start it with --insecure"
    )
    assert (found.public, found.unverified) == (f"it listens on {host}", list(KINDS))


def test_the_keys_of_alibaba_let_its_sdks_in() -> None:
    text = "sources: {imm: {kind: alibaba, token: t, keys: [{id: a, secret: b}]}}"
    report = Report()
    document, _ = read(text.encode(), "a.yml")
    found = read_settings([document], SOURCES, {}, report)
    assert list(report.problems) == []
    assert [(one.name, one.kind, one.verifies) for one in found.sources] == [
        ("imm", "alibaba", True),
        ("imm-openapi", "openapi", True),
    ]
    another = text.replace("}}", "}, sdks: {kind: openapi, keys: [{id: c, secret: d}]}}").replace(
        "]}, s", "]}, s"
    )
    document, _ = read(another.encode(), "a.yml")
    found = read_settings([document], SOURCES, {}, report)
    assert [one.name for one in found.sources] == ["imm", "sdks"]


@pytest.mark.parametrize(
    ("others", "complaint"),
    [
        ("o: {kind: openapi, keys: [{id: c, secret: d}]}",
         ("warning: sources.imm.keys let nobody in: the source 'o' is there; "
          "write them there, as kind: openapi")),
        ("imm-openapi: {kind: tencent, token: t}",
         ("warning: sources.imm.keys let nobody in: the source 'imm-openapi' is there; "
          "write them there, as kind: openapi")),
        ("e: {kind: cloudevents, token: t, path: /openapi/putEvents}",
         ("error: sources.imm.keys are for SDKs, which call /openapi/putEvents; there is 'e'; "
          "give that one another path, or list a source of kind: openapi with a path of its own")),
    ],
)  # fmt: skip
def test_keys_that_would_let_nobody_in_are_told(others: str, complaint: str) -> None:
    text = f"sources: {{imm: {{kind: alibaba, token: t, keys: [{{id: a, secret: b}}]}}, {others}}}"
    report = Report()
    document, _ = read(text.encode(), "a.yml")
    read_settings([document], SOURCES, {}, report)
    (problem,) = map(str, report.problems)
    assert problem.partition(": ")[2] == complaint


def test_a_signature_of_alibabas_alone_is_a_doubt() -> None:
    text = "sources: {imm: {kind: alibaba, public_url: 'https://r.example.com/alibaba'}}"
    _, (problem,) = settings(text)
    assert problem.startswith(
        "a.yml:1:11: warning: whoever has an account at Alibaba Cloud can let it push here"
    )
    assert settings(text.replace("}}", ", token: t}}"))[1] == []


OPEN_ONE = "sources: {a: {kind: cloudevents, token: t}, b: {kind: baidu}}"


def test_who_names_a_public_address_listens_beyond_loopback_too() -> None:
    found, problems = settings(
        OPEN_ONE.replace("token: t", "token: t, public_url: 'https://r.example.com/e'")
    )
    assert (found.public, found.unverified) == ("the source 'a' has a public_url", ["b"])
    (problem,) = problems
    assert problem == (
        "a.yml:1:84: warning: `serve` will refuse to run: the source 'a' has a public_url, and anybody could "
        "send to 'b'; give each source keys or tokens (router/sources/README.md), or start it with --insecure"
    )


def test_sources_that_verify_may_be_reached_by_anybody() -> None:
    verified = (
        "sources: {a: {kind: cloudevents, tokens: [t, u]}, b: {kind: baidu, keys: [{id: k, secret: s}]}}"
    )
    found, problems = settings(verified, "settings: {listen: {host: 0.0.0.0}}")
    assert (problems, found.unverified) == ([], [])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("token: ''", "a.yml:1:41: error: sources.a.token: is empty: it would let everybody in"),
        ("public_url: here", ("a.yml:1:46: error: sources.a.public_url: wants the address that senders use, "
         "such as https://router.example.com/alibaba")),
        ("keys: []", ("a.yml:1:34: error: sources.a.keys: unknown key 'keys'; the keys here are "
         "kind, path, public_url, strict, token, tokens")),
    ],
)  # fmt: skip
def test_what_verifies_must_hold_something(text: str, complaint: str) -> None:
    found = settings(f"sources: {{a: {{kind: cloudevents, {text}}}}}")[1]
    assert [one.partition(": error: ")[2] for one in found] == [complaint.partition(": error: ")[2]]


def test_settings_may_be_spread_over_files() -> None:
    found, problems = settings("settings: {body: 2kB}", "settings: {listen: {port: 1}}")
    assert (problems, found.body, found.port, found.host) == ([], 2000, 1, "127.0.0.1")


@pytest.mark.parametrize("text", ["settings:", "settings: {}", "settings: {listen: {}}"])
def test_nothing_said_is_the_usual(text: str) -> None:
    assert settings(text) == settings("settings: {listen: {port: 8080}}")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sources: {a: {kind: alibba}}",
         "a.yml:1:21: error: there is no kind of source called 'alibba'; did you mean 'alibaba'?"),
        ("sources: {a: {kind: x}}", ("a.yml:1:21: error: there is no kind of source called 'x'; "
         "the kinds here are cloudevents, alibaba, baidu")),
        ("sources: {a: {path: /x}}", "a.yml:1:14: error: sources.a: the key 'kind' is missing"),
        ("sources: {a: alibaba}", "a.yml:1:14: error: sources.a: wants a mapping, found a text"),
        ("sources: {a: {kind: baidu, pth: /x}}",
         "a.yml:1:28: error: sources.a.pth: unknown key 'pth'; did you mean 'path'?"),
        ("sources: {a: {kind: baidu, path: /x?y}}", ("a.yml:1:34: error: sources.a.path: "
         "wants a path such as /alibaba: letters, digits and -._~@: between its slashes")),
        ("sources: {a: {kind: baidu, path: /x}, b: {kind: alibaba, path: /x}}",
         ("a.yml:1:39: error: the sources 'a' and 'b' both listen on /x; "
         "give one of them a path of its own")),
        ("sources: {ev: {kind: cloudevents}, imm: {kind: alibaba, path: /events}}",
         ("a.yml:1:36: error: the sources 'ev' and 'imm' both listen on /events; "
          "give one of them a path of its own")),
        *((f"sources: {{a: {{kind: baidu, path: '{path}'}}}}", ("a.yml:1:34: error: sources.a.path: "
           "wants a path such as /alibaba: letters, digits and -._~@: between its slashes"))
          for path in ("/{a}/{a}", "/a%20b", "x")),
        ("settings: {lissen: {}}",
         "a.yml:1:12: error: settings.lissen: unknown key 'lissen'; did you mean 'listen'?"),
        ("settings: {listen: }", "a.yml:1:20: error: settings.listen: wants a mapping, found nothing"),
        ("settings: {listen: {port: 65536}}",
         "a.yml:1:27: error: settings.listen.port: must be at most 65535"),
        ("settings: {listen: {port: http}}",
         "a.yml:1:27: error: settings.listen.port: wants a whole number, found a text"),
        ("settings: {body: 0B}", "a.yml:1:18: error: settings.body: must be more than 0"),
        ("settings: {body: '${BODY}'}", ("a.yml:1:19: error: the environment variable BODY is not set; "
         "set it, or give it a default: ${BODY:-…}")),
    ],
)  # fmt: skip
def test_what_is_wrong(text: str, complaint: str) -> None:
    assert settings(text)[1] == [complaint]


def test_nothing_is_said_twice() -> None:
    assert settings(
        "settings: {body: 1MB}\nsources: {a: {kind: baidu}}", "settings: {body: 2MB}\nsources: {a: {kind: x}}"
    )[1] == [
        "b.yml:1:12: error: settings.body is written twice; the first one is in a.yml:1",
        "b.yml:2:11: error: sources.a is written twice; the first one is in a.yml:2",
    ]


def test_how_much_is_kept_may_be_said() -> None:
    found, problems = settings("settings: {archive: {for: 3d, most: 1GB}, quota: 2GB, dedupe: 1h}")
    assert problems == []
    assert (found.archive.within, found.archive.most) == (3 * 86_400.0, 1_000_000_000)
    assert (found.quota, found.dedupe) == (2_000_000_000, 3600.0)


def test_without_a_word_a_week_is_kept() -> None:
    found, _ = settings()
    assert (found.archive.within, found.archive.most) == (604_800.0, 10_000_000_000)
    assert (found.quota, found.dedupe) == (20_000_000_000, 600.0)


@pytest.mark.parametrize(
    "texts", [["settings: {quota: 1GB}"], ["settings: {archive: {most: 30GB}}"], ["settings: {quota: 10GB}"]]
)
def test_an_archive_that_may_outgrow_the_store_is_an_error(texts: list[str]) -> None:
    _, problems = settings(*texts)
    assert len(problems) == 1
    assert "error: the archive may grow to" in problems[0]
