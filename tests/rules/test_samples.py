"""Where the shipped rules send what the three clouds send."""

from __future__ import annotations

from pathlib import Path

import pytest

from router import samples
from router.config.files import read_files
from router.config.report import Report
from router.events import Event
from router.main import SOURCES
from router.rules.load import load
from router.rules.model import Deployment
from router.samples import Sample
from router.sources.base import Request
from router.targets.registry import installed_kinds

ROOT = Path(__file__).parents[2]

FAILED = {  # the documents' own examples of events that tell of a failure
    *(f"imm-Engine-{name}.json" for name in ("Exif", "Mime", "OSSMeta", "Tag")),
    *(
        f"imm-FileMeta-{name}.json"
        for name in ("BatchDelete", "BatchIndex", "BatchUpdate", "Delete", "Index")
    ),
    "imm-Task-AsyncTask.json",
    "imm-Trigger-Notification.json",
    "derived/imm-Task-VideoModeration-failed.json",
    "derived/failed.json",
    "derived/failed.xml",
    "derived/review-detail-failed.json",
    "derived/review-simple-failed.json",
}
BLOCKED = {
    "derived/imm-Task-ImageModeration-block.json",
    "derived/imm-Task-VideoModeration-block.json",
    "derived/review-detail-block.json",
    "derived/review-document-block.json",
    "derived/review-simple-block.json",
}
NO_RESULT = {"derived/put-object.json"}  # an event of storage: nothing is recognised, moderated or failed
SAMPLES = [(cloud, sample) for cloud in samples.CLOUDS for sample in samples.load(cloud)]


@pytest.fixture(scope="module")
def shipped() -> Deployment:
    deployment = load(read_files([ROOT], Report()), installed_kinds(), {}, Report())
    assert deployment is not None
    return deployment


def events(cloud: str, sample: Sample) -> list[Event]:
    path, _, query = sample.path.partition("?")
    request = Request("POST", path, query, {"content-type": sample.content_type}, sample.body, 0.0)
    return [reading.event for reading in SOURCES[cloud]().read(request).readings]


def expected(cloud: str, sample: Sample) -> set[str]:
    if sample.name in FAILED:
        return {"audit", "failed-tasks"}
    if sample.name in BLOCKED:
        return {"audit", "trust-and-safety"}
    if sample.name in NO_RESULT:
        return {"audit"}
    is_moderation = cloud == "alibaba" or "review" in sample.name
    return {"audit"} if is_moderation else {"audit", "recognised"}


@pytest.mark.parametrize(
    ("cloud", "sample"), SAMPLES, ids=[f"{cloud}/{sample.name}" for cloud, sample in SAMPLES]
)
def test_each_sample_goes_where_it_belongs(shipped: Deployment, cloud: str, sample: Sample) -> None:
    sent = events(cloud, sample)
    assert sent
    for event in sent:
        routes = shipped.route(event)
        assert {route.target for route in routes} == expected(cloud, sample)
        assert all(route.variant == "" for route in routes)


def test_every_rule_but_the_backstop_finds_something_among_the_samples(shipped: Deployment) -> None:
    sent = [event for cloud, sample in SAMPLES for event in events(cloud, sample)]
    found = {rule.name for event in sent for rule in shipped.matching(event)}
    assert {rule.name for rule in shipped.rules} - found == {"nobody-wanted-it"}
