from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest

from router import samples
from router.samples import Sample, load


def by_name(cloud: str) -> dict[str, Sample]:
    return {sample.name: sample for sample in load(cloud)}


def test_there_is_one_document_for_each_of_the_33_types_of_imm() -> None:
    documents = [sample for sample in load("alibaba") if not sample.derived]
    types = [json.loads(sample.body)["type"] for sample in documents]
    assert len(set(types)) == len(documents) == 33
    assert [sample.name for sample in documents] == [f"{kind.replace(':', '-')}.json" for kind in types]


def test_eight_documents_of_imm_lack_specversion() -> None:
    documents = [json.loads(sample.body) for sample in load("alibaba") if not sample.derived]
    assert sum("specversion" not in document for document in documents) == 8


def test_baidus_older_document_has_its_trailing_comma() -> None:
    baidu = by_name("baidu")
    assert {name for name in baidu if not name.startswith("derived/")} == {"2018.json", "2025.json"}
    with pytest.raises(json.JSONDecodeError):
        json.loads(baidu["2018.json"].body)
    json.loads(re.sub(rb",(\s*})", rb"\1", baidu["2018.json"].body))
    json.loads(baidu["2025.json"].body)


def test_tencents_forms_come_in_pairs() -> None:
    tasks = {name for name in by_name("tencent") if "/review-" not in name}
    assert tasks == {
        f"{name}.{form}" for name in ("ocr", "derived/failed", "derived/workflow") for form in ("xml", "json")
    }


def test_tencents_moderation_comes_in_both_contents_with_every_outcome() -> None:
    moderation = {name for name in by_name("tencent") if "/review-" in name}
    outcomes = ("pass", "block", "review", "failed")
    assert moderation == {
        "derived/review-document-block.json",
        *(f"derived/review-{form}-{outcome}.json" for form in ("simple", "detail") for outcome in outcomes),
    }


@pytest.mark.parametrize("cloud", samples.CLOUDS)
def test_every_sample_says_how_it_is_sent(cloud: str) -> None:
    for sample in load(cloud):
        assert sample.body.strip()
        assert sample.path.startswith("/")
        assert sample.content_type.startswith("application/")
        assert (sample.body[:1] == b"<") == (sample.content_type == "application/xml")


def test_baidus_samples_go_where_their_documents_say() -> None:
    baidu = by_name("baidu")
    assert baidu["2018.json"].path == "/?result"
    assert baidu["2025.json"].path == "/v1/bucketName_example/?result"


def test_documents_come_before_what_is_derived_from_them() -> None:
    for cloud in samples.CLOUDS:
        assert [sample.derived for sample in load(cloud)] == sorted(sample.derived for sample in load(cloud))


@pytest.mark.parametrize("kind", ["Image", "Video"])
def test_a_blocked_moderation_differs_from_its_document_only_where_it_says(kind: str) -> None:
    alibaba = by_name("alibaba")
    document = json.loads(alibaba[f"imm-Task-{kind}Moderation.json"].body)
    blocked = json.loads(alibaba[f"derived/imm-Task-{kind}Moderation-block.json"].body)
    assert blocked["id"] != document["id"]
    assert blocked["data"]["Frames"]["BlockFrames"]
    assert blocked["data"] == document["data"] | {"Suggestion": "block", "Categories": ["porn"]}


def test_a_failed_moderation_has_no_suggestion() -> None:
    data = json.loads(by_name("alibaba")["derived/imm-Task-VideoModeration-failed.json"].body)["data"]
    assert data["Status"] == "Failed"
    assert "Suggestion" not in data


def test_every_derived_file_is_described() -> None:
    for cloud in ("alibaba", "tencent"):
        folder = files(samples) / cloud / "derived"
        readme = (folder / "README.md").read_text()
        for sample in load(cloud):
            assert not sample.derived or f"`{sample.name.removeprefix('derived/')}`" in readme


def test_an_unknown_cloud_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no samples of 'aws', only of alibaba, baidu, tencent"):
        load("aws")
