from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from router import samples
from router.cli import main
from tests.cli.operating import command
from tests.process import RouterProcess

RULES = """
rules: [{name: all, match: {type: "*"}, targets: [file]}]
targets: {file: {file: {path: all.jsonl}}}
"""


def event(number: int) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": str(number),
        "source": "/tests",
        "type": "test.event",
        "data": {"n": number},
    }


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RouterProcess]:
    (tmp_path / "router.yml").write_text(RULES)
    with RouterProcess([tmp_path], tmp_path / "data") as router:
        yield router


def written(tmp_path: Path) -> list[str]:
    return [
        json.loads(line)["event"]["id"] for line in (tmp_path / "data" / "all.jsonl").read_text().splitlines()
    ]


def test_one_event_a_list_and_lines(running: RouterProcess, tmp_path: Path) -> None:
    one, several, lines = tmp_path / "one.json", tmp_path / "several.json", tmp_path / "lines.jsonl"
    one.write_text(json.dumps(event(1), indent=2))
    several.write_text(json.dumps([event(2), event(3)]))
    lines.write_text("".join(json.dumps(event(number)) + "\n" for number in (4, 5, 6)))
    done = CliRunner().invoke(main, ["send", "--url", running.url, str(one), str(several), str(lines)])
    assert done.exit_code == 0, done.output
    assert running.terminate() == 0
    assert written(tmp_path) == ["1", "2", "3", "4", "5", "6"]
    assert done.stderr == "6 events accepted, 0 refused\n"
    assert "refused" not in done.stdout


def test_standard_input(running: RouterProcess, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["send", "--url", running.url, "-"], input=json.dumps(event(7)))
    assert (done.exit_code, done.output) == (0, "-: accepted\n")


def test_the_running_router_of_this_folder_gets_what_comes_on_standard_input(
    running: RouterProcess, tmp_path: Path
) -> None:
    for words, cwd, number in (
        (["send"], tmp_path, 1),
        (["send", "-d", tmp_path], None, 2),
        (["send", "--data", tmp_path / "data", "-"], None, 3),
    ):
        done = command(*words, cwd=cwd, said=json.dumps(event(number)))
        assert (done.returncode, done.stdout, done.stderr) == (0, "-: accepted\n", "")
    running.kill()  # its address stays behind
    done = command("send", "-d", tmp_path, said=json.dumps(event(4)))
    assert done.returncode == 2
    assert done.stderr == f"error: no router runs on {tmp_path / 'data'}; start it, or say --url\n"
    assert written(tmp_path) == ["1", "2", "3"]


@pytest.mark.parametrize("cloud", samples.CLOUDS)
def test_a_clouds_own_request(cloud: str, running: RouterProcess, tmp_path: Path) -> None:
    sample = samples.load(cloud)[-1]
    file = tmp_path / Path(sample.name).name
    file.write_bytes(sample.body)
    done = CliRunner().invoke(main, ["send", "--url", running.url, "--to", f"/{cloud}", str(file)])
    assert done.exit_code == 0, done.output


def test_a_refusal_says_why_and_the_rest_is_sent(running: RouterProcess, tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_text('{"specversion": "1.0"}\n' + json.dumps(event(8)) + "\n")
    done = CliRunner().invoke(main, ["send", "--url", running.url, str(file)])
    assert done.exit_code == 1
    assert f"{file}:1: refused with 400: " in done.output
    assert f"{file}:2: accepted" in done.output
    assert done.stderr.endswith("\n1 event accepted, 1 refused\n")


def test_no_router(tmp_path: Path, unused_port: int) -> None:
    file = tmp_path / "one.json"
    file.write_text(json.dumps(event(1)))
    url = f"http://127.0.0.1:{unused_port}"
    done = CliRunner().invoke(main, ["send", "--url", url, str(file)])
    assert done.exit_code == 1
    assert f"no router answers at {url}/events: [Errno 111] Connection refused" in done.output


def test_where_nobody_answers_no_other_line_is_tried(tmp_path: Path, unused_port: int) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_text(f"{json.dumps(event(1))}\n{json.dumps(event(2))}\n")
    done = CliRunner().invoke(main, ["send", "--url", f"http://127.0.0.1:{unused_port}", str(file)])
    assert done.exit_code == 1
    assert done.stderr.startswith(f"{file}:1: no router answers at ")
    assert done.stderr.endswith("; what follows was not sent\n")
    assert f"{file}:2" not in done.output


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "there is nothing in it"),
        (
            "<a>\n<b/>\n</a>",
            "this is no JSON; a cloud's own request goes to that cloud's path: --to /tencent",
        ),
    ],
)
def test_what_is_no_event_is_not_sent(
    content: str, said: str, running: RouterProcess, tmp_path: Path
) -> None:
    file = tmp_path / "x"
    file.write_text(content)
    done = CliRunner().invoke(main, ["send", "--url", running.url, str(file)])
    assert (done.exit_code, done.output) == (1, f"{file}: {said}\n")


def test_a_path_may_go_without_its_slash(running: RouterProcess, tmp_path: Path) -> None:
    file = tmp_path / "ocr.xml"
    file.write_bytes(next(sample.body for sample in samples.load("tencent") if sample.name == "ocr.xml"))
    done = CliRunner().invoke(main, ["send", "--url", running.url + "/", "--to", "tencent", str(file)])
    assert (done.exit_code, done.output) == (0, f"{file}: accepted\n")


def test_what_is_no_address_is_told(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("{}")
    done = CliRunner().invoke(main, ["send", "--url", "127.0.0.1:8080", str(file)])
    assert done.exit_code == 2
    assert "'127.0.0.1:8080' is no address; write http://127.0.0.1:8080" in done.output


def test_a_deployment_whose_router_does_not_run_sends_to_no_other(tmp_path: Path) -> None:
    (tmp_path / "router.yml").write_text("settings: {port: 18733}\n")
    done = command("send", cwd=tmp_path, said=json.dumps(event(1)))
    assert done.returncode == 2
    assert done.stderr == f"error: no router runs on {tmp_path / 'data'}; start it, or say --url\n"
