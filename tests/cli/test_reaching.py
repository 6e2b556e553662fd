from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import anyio
import pytest
from click.testing import CliRunner

from router.cli import main, reaching
from router.cli.reaching import Place, SilentRouterError, reached
from router.operations.address import FILE, Address, read
from router.operations.questions import EventQuery
from router.store.advice import UNBEGUN
from router.store.lock import FolderLock
from tests.cli.operating import House, command
from tests.client import request
from tests.process import RouterProcess
from tests.receiver import Answer, Receiver

RULES = """
rules: [{name: all, match: {type: "*"}, targets: [console]}]
targets: {console: {log: {}}}
"""


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    (tmp_path / "router.yml").write_text(RULES)
    return tmp_path


def publish(data: Path, address: Address) -> None:
    (data / FILE).write_text(json.dumps({"url": address.url, "token": address.token, "pid": address.pid}))


@pytest.mark.parametrize("words", [["events"], ["dead"], ["deliveries"], ["replay", "--since", "1h"]])
def test_a_folder_without_a_store_is_not_made_one(words: list[str], deployment: Path) -> None:
    data = deployment / "data"
    done = CliRunner().invoke(main, [*words, "-d", str(deployment)])
    assert (done.exit_code, done.output) == (
        2,
        f"error: {data} {UNBEGUN}\n",
    )
    assert "`router serve` makes one" in done.output
    assert not data.exists()


def test_a_store_that_was_copied_without_its_lock_is_one(running_house: House) -> None:
    house = running_house
    house.send(1)
    house.stop()
    (house.data / "lock").unlink()
    assert [event["id"] for event in house.told("events")["events"]] == ["0"]


def test_what_a_killed_router_left_confuses_nobody(running_house: House) -> None:
    house = running_house
    house.send(1)
    house.kill()
    left = read(house.data)
    assert left is not None
    assert [event["id"] for event in house.told("events")["events"]] == ["0"]
    # A router on the same folder says anew where it is.
    house.start()
    now = read(house.data)
    assert now is not None
    assert (now.token, now.pid) != (left.token, left.pid)
    assert len(house.told("events")["events"]) == 1
    house.stop()
    assert read(house.data) is None
    assert len(house.told("events")["events"]) == 1


def test_only_the_owner_may_read_the_token_and_the_log_has_it_nowhere(running_house: House) -> None:
    house = running_house
    file = house.data / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = json.loads(file.read_text())["token"]
    assert len(token) >= 40
    house.stop()
    for path in house.data.rglob("*"):
        assert path.is_dir() or token.encode() not in path.read_bytes()


def test_beyond_loopback_commands_have_the_token_and_others_have_not(deployment: Path) -> None:
    options = ("--host", "0.0.0.0", "--insecure")
    with RouterProcess([deployment], deployment / "data", options=options) as router:
        url = router.url.replace("0.0.0.0", "127.0.0.1")
        reply = request("GET", f"{url}/api/v1/events")
        assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
        assert request("GET", f"{url}/api/v1/openapi.json").status == 401
        assert router.wait_for_log("request.refused")["status"] == 401
        done = command("events", cwd=deployment)
        assert (done.returncode, done.stdout) == (0, "no event fits\n")
        assert router.terminate() == 0


def test_the_straight_way_on_the_machine_needs_no_token(running_house: House) -> None:
    url = f"{running_house.process.url}/api/v1/status"
    assert request("GET", url).status == 200
    for headers in ({"x-forwarded-for": "192.0.2.1"}, {"host": "router.example.com"}):
        assert request("GET", url, headers=headers).status == 401
    assert request("GET", url, headers={"origin": "https://evil.example"}).status == 403


def test_another_folder_may_be_named(running_house: House, tmp_path: Path) -> None:
    house = running_house
    house.send(1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for words in (("--data", house.data), ("-d", house.folder), ("-d", house.folder / "router.yml")):
        done = command("events", *words, "--json", cwd=elsewhere)
        assert len(json.loads(done.stdout)["events"]) == 1, done.stderr


# -- a folder that somebody has, and an API that nobody serves -----------------------------------------------


@pytest.fixture
def held(tmp_path: Path) -> Any:
    """A data folder in the hands of this process, which serves no API."""
    data = tmp_path / "data"
    data.mkdir()
    lock = FolderLock(data)
    yield data
    lock.release()


def test_a_holder_that_says_nothing_is_named(held: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "PATIENCE", 0.2)
    publish(held, Address(url="http://127.0.0.1:1", token="of an earlier life", pid=1))

    async def reach() -> None:
        async with reached(Place((), held)):
            raise AssertionError("there is nothing to reach")

    said = f"{held} is in use by process {os.getpid()}, and api.json there does not say how that one is asked"
    with pytest.raises(SilentRouterError, match=said):
        anyio.run(reach)


def test_a_holder_that_is_about_to_say_it_is_waited_for(held: Path, receiver: Receiver) -> None:
    receiver.decide = lambda _: Answer(body=b'{"events": [], "next": null}')

    async def say() -> None:
        await anyio.sleep(0.3)
        publish(held, Address(url=receiver.url, token="t0ken", pid=os.getpid()))

    async def reach() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(say)
            async with reached(Place((), held)) as operations:
                assert (await operations.events(EventQuery())).events == ()

    anyio.run(reach)
    (asked,) = receiver.requests
    assert asked.headers["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(raw=b"", then="close"), "does not answer at"),
        (Answer(body=b"<html>"), "is no router of this version"),
        (Answer(404, body=b"<html>"), "is no router of this version"),
        (Answer(body=b'{"events": 7}'), "is no router of this version"),
        (Answer(302, {"location": "http://127.0.0.1:1/"}, body=b"{}"), "is no router of this version"),
        (Answer(403, body=b'{"error": "a web page may not"}'), "error: a web page may not"),
        (Answer(503, body=b'{"error": "a segment cannot be read"}'), "error: a segment cannot be read"),
    ],
)
def test_answers_that_help_nobody(answer: Answer, said: str, held: Path, receiver: Receiver) -> None:
    receiver.decide = lambda _: answer
    publish(held, Address(url=receiver.url, token="t0ken", pid=os.getpid()))
    done = command("events", "--data", held)
    assert done.returncode == 2
    assert said in done.stderr
    assert "t0ken" not in done.stderr
    assert "Traceback" not in done.stderr


def test_nobody_answers(held: Path, unused_port: int) -> None:
    publish(held, Address(url=f"http://127.0.0.1:{unused_port}", token="t0ken", pid=os.getpid()))
    done = command("dead", "drop", "--yes", "--data", held)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: the router (process {os.getpid()}) does not answer at http://127.0.0.1:{unused_port}: "
        "[Errno 111] Connection refused\n"
    )
