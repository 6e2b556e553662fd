"""`router audit`, as its user types it."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from router.audit import keys
from router.audit.checkpoints import TYPE
from router.audit.records import ORIGIN, seal
from router.audit.verify import FIRST
from tests.audit.chains import KEY, chain, checkpoint, forged, members, write
from tests.cli.operating import command

LINES = chain(10)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write(tmp_path, LINES[:6], LINES[6:])


def held(tmp_path: Path, *counts: int, chain_name: str = "audit") -> Path:
    """Checkpoints that were kept elsewhere."""
    path = tmp_path / "elsewhere.txt"
    made = [
        msgspec.structs.replace(checkpoint(LINES, count), chain=chain_name).signed(KEY) for count in counts
    ]
    with path.open("ab") as file:
        file.writelines(b"%b\n" % msgspec.json.encode(one) for one in made)
    return path


def public(tmp_path: Path) -> Path:
    path = tmp_path / "audit.pub"
    path.write_text(keys.public_text(KEY))
    return path


def is_far_in(process: subprocess.Popen[str], path: Path) -> bool:
    """Whether a process has read more than the beginning of a file."""
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            place = Path(f"/proc/{process.pid}/fdinfo/{link.name}").read_text().split()[1]
            if link.resolve() == path and int(place) > 1_000_000:
                return True
    return False


class TestVerify:
    @pytest.mark.skipif(
        not Path("/proc/self/fdinfo").exists(), reason="the system tells who reads what by /proc"
    )
    def test_beside_a_router_that_goes_on_it_accuses_nobody(self, tmp_path: Path) -> None:
        many = chain(60_000)
        first, second = write(tmp_path, many[:50_000], many[50_000:])
        words = [sys.executable, "-m", "router", "audit", "verify", str(first), str(second)]
        with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            give_up = time.monotonic() + 30
            while not is_far_in(process, first):
                assert time.monotonic() < give_up
                assert process.poll() is None
            second.rename(tmp_path / "finished.jsonl")
            said, complaint = process.communicate(timeout=30)
        assert (process.returncode, said) == (2, "")
        assert f"{second} was finished or packed by its router meanwhile; run it again" in complaint

    def test_of_an_untouched_chain(self, files: list[Path], tmp_path: Path) -> None:
        done = command(
            "audit",
            "verify",
            *reversed(files),
            "--checkpoint",
            held(tmp_path, 4, 8),
            "--public-key",
            public(tmp_path),
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == [
            "records 1 to 10: each remembers the one before",
            "covered by checkpoints: up to record 8 (2 agree)",
            "not covered yet: records 9 to 10",
        ]

    def test_without_checkpoints_it_says_what_that_is_worth(self, files: list[Path]) -> None:
        done = command("audit", "verify", *files)
        assert done.returncode == 0
        assert "without checkpoints this finds accidents, not forgers" in done.stdout
        assert "not covered yet: records 1 to 10" in done.stdout

    def test_a_changed_record_is_named(self, files: list[Path]) -> None:
        files[1].write_bytes(files[1].read_bytes().replace(b'"id":"8"', b'"id":"9"'))
        done = command("audit", "verify", *files)
        assert done.returncode == 1
        assert done.stdout.splitlines()[:2] == [
            f"NOT WHAT IT WAS: record 8: changed ({files[1]}, line 2)",
            "records 1 to 7 before it agree with one another",
        ]

    def test_so_is_what_a_forger_has_rewritten_as_far_as_can_be_told(
        self, files: list[Path], tmp_path: Path
    ) -> None:
        lines = forged([*LINES[:5], LINES[5].replace(b"event", b"other"), *LINES[6:]])
        files = write(tmp_path, lines[:6], lines[6:])
        done = command("audit", "verify", *files, "--checkpoint", held(tmp_path, 4, 8))
        assert done.returncode == 1
        assert "one or more of records 5 to 8: rewritten" in done.stdout
        assert "give --public-key" in done.stdout

    def test_a_cut(self, files: list[Path], tmp_path: Path) -> None:
        done = command("audit", "verify", files[0], "--checkpoint", held(tmp_path, 4, 8))
        assert done.returncode == 1
        assert (
            "one or more of records 5 to 8: cut: a checkpoint says that there were 8; record 7 is the first"
            in done.stdout
        )

    def test_a_forged_checkpoint(self, files: list[Path], tmp_path: Path) -> None:
        other = tmp_path / "other.pub"
        other.write_text(keys.make(tmp_path / "other.key"))
        elsewhere = held(tmp_path, 4)
        done = command("audit", "verify", *files, "--checkpoint", elsewhere, "--public-key", other)
        told = (
            f"FORGED: no key that was given has signed the checkpoint at record 4 ({elsewhere}, line 1)\n"
            f"NO PROOF: no checkpoint that counts is in {elsewhere}\n"
        )
        assert (done.returncode, done.stdout) == (1, told)

    @pytest.mark.parametrize("signed", [True, False])
    def test_proof_that_is_not_there(self, files: list[Path], tmp_path: Path, signed: bool) -> None:
        words = ["--public-key", str(public(tmp_path))] if signed else []
        elsewhere = held(tmp_path, 4)
        elsewhere.write_bytes(elsewhere.read_bytes().replace(b'"count":4', b'"count":4.0'))
        done = command("audit", "verify", *files, "--checkpoint", elsewhere, *words)
        assert done.returncode == 1
        assert f"UNREADABLE: what looks like a checkpoint ({elsewhere}, line 1)" in done.stdout
        elsewhere.write_bytes(b"nothing\n")
        done = command("audit", "verify", *files, "--checkpoint", elsewhere, *words)
        assert (done.returncode, f"no checkpoint that counts is in {elsewhere}" in done.stdout) == (1, True)

    def test_a_key_and_no_checkpoint_beside(self, files: list[Path], tmp_path: Path) -> None:
        done = command("audit", "verify", *files, "--public-key", public(tmp_path))
        assert (done.returncode, "is in any file beside these" in done.stdout) == (1, True)

    @pytest.mark.parametrize("signed", [True, False])
    @pytest.mark.parametrize("count", ["2", "002"])
    @pytest.mark.parametrize("event_type", ["t", TYPE])
    def test_a_strangers_event_that_looks_like_one(
        self, files: list[Path], tmp_path: Path, signed: bool, count: str, event_type: str
    ) -> None:
        elsewhere = held(tmp_path, 4, 8)
        data = f'{{"chain":"audit","count":{count},"head":"{"0" * 64}","time":"2026","signature":""}}'
        event = f'{{"id":"1","source":"/s","type":"{event_type}","data":{json.dumps(data)}}}'
        with elsewhere.open("a") as file:
            file.write(f'{{"sequence":1,"id":"1-a","time":"2026","rules":["all"],"event":{event}}}\n')
        words = ["--public-key", str(public(tmp_path))] if signed else []
        done = command("audit", "verify", *files, "--checkpoint", elsewhere, *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert "up to record 8 (2 agree)" in done.stdout
        assert (
            f"ignored, for anybody may have sent it: a checkpoint's text ({elsewhere}, line 3)" in done.stdout
        )

    def test_in_foreign_text_only_a_signature_counts(self, files: list[Path], tmp_path: Path) -> None:
        elsewhere = held(tmp_path, 8)
        elsewhere.write_bytes(b"kept: " + elsewhere.read_bytes())
        done = command("audit", "verify", *files, "--checkpoint", elsewhere)
        assert (done.returncode, "with --public-key alone" in done.stdout) == (1, True)
        done = command("audit", "verify", *files, "--checkpoint", elsewhere, "--public-key", public(tmp_path))
        assert (done.returncode, "up to record 8 (1 agree)" in done.stdout) == (0, True)

    def test_those_beside_the_files_count_and_that_is_said(self, files: list[Path], tmp_path: Path) -> None:
        held(tmp_path, 4).rename(tmp_path / "audit.jsonl.checkpoints")
        (tmp_path / "audit.jsonl.torn-1").write_bytes(b"torn")
        found = [path for path in tmp_path.iterdir() if path.name.startswith("audit")]
        done = command("audit", "verify", *found)
        assert done.returncode == 0
        assert "up to record 4 (1 agree)" in done.stdout
        assert "both can be cut back together" in done.stdout

    def test_those_beside_count_besides_those_from_elsewhere(self, files: list[Path], tmp_path: Path) -> None:
        held(tmp_path, 4, 9).rename(tmp_path / "audit.jsonl.checkpoints")
        elsewhere = held(tmp_path, 2, 4)
        signed = ("--checkpoint", elsewhere, "--public-key", public(tmp_path))
        done = command("audit", "verify", *files, *signed)
        assert (done.returncode, done.stdout.splitlines()) == (
            0,
            [
                "records 1 to 10: each remembers the one before",
                "covered by checkpoints: up to record 4 (2 agree)",
                "covered by those beside the files alone: up to record 9 (1 agree)",
                "not covered yet: record 10",
            ],
        )
        # What nobody elsewhere has heard of yet.
        files[1].write_bytes(b"".join(LINES[6:8]))
        done = command("audit", "verify", *files, *signed)
        assert (done.returncode, "cut: a checkpoint says that there were 9" in done.stdout) == (1, True)
        # The same one, named.
        besides = tmp_path / "audit.jsonl.checkpoints"
        done = command("audit", "verify", *write(tmp_path, LINES[:6], LINES[6:]), "--checkpoint", besides)
        assert (done.returncode, "up to record 9 (2 agree)" in done.stdout) == (0, True)

    def test_those_beside_are_no_proof_where_those_from_elsewhere_are_of_another_chain(
        self, files: list[Path], tmp_path: Path
    ) -> None:
        held(tmp_path, 9).rename(tmp_path / "audit.jsonl.checkpoints")
        other = held(tmp_path, 4, chain_name="other")
        for signed in ((), ("--public-key", public(tmp_path))):
            asked = ("--checkpoint", other, "--chain", "audit", *signed)
            done = command("audit", "verify", *files, *asked)
            assert done.returncode == 1
            assert done.stdout.startswith(f"NO PROOF: no checkpoint of audit that counts is in {other}\n")

    def test_a_torn_line_of_those_beside_accuses_nobody(self, files: list[Path], tmp_path: Path) -> None:
        whole = held(tmp_path, 4, 9).read_bytes()
        beside = tmp_path / "audit.jsonl.checkpoints"
        beside.write_bytes(whole[:-20])
        elsewhere = held(tmp_path)
        for asked in ((), ("--checkpoint", elsewhere, "--public-key", public(tmp_path))):
            done = command("audit", "verify", *files, *asked)
            assert done.returncode == 0, done.stdout
            assert f"{beside}, line 2: an unfinished line, as a crash leaves it: no checkpoint" in done.stdout
            assert "not covered yet: record" in done.stdout
        # A finished one was changed, whoever has done it.
        beside.write_bytes(whole[:-20] + b"\n")
        assert f"UNREADABLE: what looks like a checkpoint ({beside}, line 2)" in command(
            "audit", "verify", *files
        ).stdout  # fmt: skip

    def test_those_of_several_chains(self, files: list[Path], tmp_path: Path) -> None:
        held(tmp_path, 4)
        path = held(tmp_path, 5, chain_name="other")
        done = command("audit", "verify", *files, "--checkpoint", path)
        assert (done.returncode, done.stderr) == (
            2, "error: these are checkpoints of audit, other: choose with --chain\n",
        )  # fmt: skip
        done = command("audit", "verify", *files, "--checkpoint", path, "--chain", "audit")
        assert (done.returncode, "(1 agree)" in done.stdout) == (0, True)
        done = command("audit", "verify", *files, "--checkpoint", path, "--chain", "none")
        assert "there is no checkpoint of none" in done.stderr

    def test_a_torn_line_at_the_end(self, files: list[Path]) -> None:
        with files[1].open("ab") as file:
            file.write(b'{"n":11,')
        done = command("audit", "verify", *files)
        assert done.returncode == 0
        assert f"{files[1]}, line 5: an unfinished line, as a crash leaves it" in done.stdout

    def test_a_beginning_that_was_removed_on_purpose(self, files: list[Path], tmp_path: Path) -> None:
        assert "records 1 to 6: removed" in command("audit", "verify", files[1]).stdout
        done = command("audit", "verify", files[1], "--from", "7", "--checkpoint", held(tmp_path, 3, 10))
        assert done.returncode == 0
        assert "up to record 10 (1 agree)" in done.stdout
        assert "they are about earlier records: 1 checkpoint" in done.stdout

    def test_files_that_only_lie_beside(self, tmp_path: Path) -> None:
        (tmp_path / "audit.jsonl.torn-1").write_bytes(b"torn")
        done = command("audit", "verify", tmp_path / "audit.jsonl.torn-1")
        assert (done.returncode, "lie beside" in done.stderr) == (2, True)

    @pytest.mark.parametrize("packed", [False, True])
    def test_files_without_a_chain_are_named_and_called_no_tampering(
        self, files: list[Path], tmp_path: Path, packed: bool
    ) -> None:
        record = b'{"sequence":1,"id":"1-plain","time":"2026-11-22T10:00:00Z","rules":[],"event":{}}\n'
        plain = tmp_path / ("plain.jsonl.gz" if packed else "plain.jsonl")
        plain.write_bytes(gzip.compress(record) if packed else record)
        done = command("audit", "verify", plain, *files)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"no line of {plain} is a record of a chain" in done.stderr
        assert f"name the files of one chain alone: {files[0]}, {files[1]}." in done.stderr
        alone = command("audit", "verify", plain)
        assert (alone.returncode, "name files of such a target" in alone.stderr) == (2, True)
        assert "somebody has put other text in their place" in alone.stderr

    @pytest.mark.parametrize("number", [0, 1])
    def test_a_file_whose_every_line_was_replaced_is_told_by_what_is_missing(
        self, number: int, files: list[Path], tmp_path: Path
    ) -> None:
        files[number].write_text("nothing\n")
        why = f"no line of {files[number]} is a record of a chain, and somebody may have put other text there"
        done = command("audit", "verify", *files, "--checkpoint", held(tmp_path, 10))
        assert (done.returncode, done.stderr) == (1, "")
        assert done.stdout.startswith("NOT WHAT IT WAS: ")
        assert why in done.stdout
        # The chain alone does not tell whether anything comes after its last record.
        alone = command("audit", "verify", *files)
        assert (alone.returncode, why in alone.stdout) == ((1, True) if number == 0 else (2, False))

    def test_so_are_all_files_where_checkpoints_say_that_there_were_records(
        self, files: list[Path], tmp_path: Path
    ) -> None:
        for file in files:
            file.write_text("nothing\n")
        assert command("audit", "verify", *files).returncode == 2
        elsewhere = held(tmp_path, 10)
        done = command("audit", "verify", *files, "--checkpoint", elsewhere)
        assert (done.returncode, "record 1 is the first that is missing" in done.stdout) == (1, True)
        elsewhere.rename(tmp_path / "audit.jsonl.checkpoints")
        done = command("audit", "verify", *files)
        assert (done.returncode, f"record 1: changed ({files[0]}, line 1)" in done.stdout) == (1, True)

    def test_a_chained_file_whose_first_lines_were_replaced_is_no_other_file(self, tmp_path: Path) -> None:
        made = chain(FIRST + 10)
        (file,) = write(tmp_path, [*[b'{"x":1}\n'] * (FIRST + 5), *made[FIRST + 5 :]])
        done = command("audit", "verify", file)
        assert (done.returncode, "NOT WHAT IT WAS: record 1: changed" in done.stdout) == (1, True)

    def test_a_chained_file_whose_every_line_was_changed_is_no_other_file(self, files: list[Path]) -> None:
        files[1].write_bytes(files[1].read_bytes().replace(b'"prev":"', b'"prev":"x'))
        done = command("audit", "verify", *files)
        assert (done.returncode, "NOT WHAT IT WAS: record 7: changed" in done.stdout) == (1, True)


def test_a_terminal_shows_how_far_it_is(files: list[Path]) -> None:
    outer, inner = pty.openpty()
    words = [sys.executable, "-m", "router", "audit", "verify", *map(str, files)]
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=inner, check=True, timeout=60)
    os.close(inner)
    said = os.read(outer, 4096).decode()
    os.close(outer)
    assert done.returncode == 0
    assert "100 %  10 records" in said


class TestShow:
    def test_records_by_type(self, tmp_path: Path) -> None:
        event = b'"event":{"id":"1","source":"/s","type":"order.made","subject":"o/1"},"rules":[]'
        body = b'%b,"id":"1-a","sequence":1,"time":"2026-11-22T12:00:00.000000Z"' % event
        line, _ = seal(1, ORIGIN, body)
        path = tmp_path / "a.jsonl.gz"
        path.write_bytes(gzip.compress(line))
        done = command("audit", "show", path, "--type", "order.*", "--since", "2026-11-22T00:00:00Z")
        assert done.stdout == "1  2026-11-22 12:00:00+00:00  order.made  o/1  1  1-a\n"
        assert command("audit", "show", path, "--json").stdout.encode() == line
        assert command("audit", "show", path, "--type", "other").stdout == ""

    @pytest.mark.parametrize("as_json", [False, True])
    def test_strangers_texts_do_not_steer_a_terminal(self, tmp_path: Path, as_json: bool) -> None:
        event = (
            '"event":{"id":"i\u009b2J","source":"/s","type":"t","subject":"a\\u001b]0;x\\u0007\\n1  forged"}'
        )
        body = f'{event},"rules":[],"id":"1-a","sequence":1,"time":"2026-11-22T12:00:00.000000Z"'
        line, _ = seal(1, ORIGIN, body.encode())
        path = tmp_path / "a.jsonl"
        path.write_bytes(line)
        outer, inner = pty.openpty()
        words = [sys.executable, "-m", "router", "audit", "show", str(path), *["--json"] * as_json]
        subprocess.run(words, stdout=inner, check=True, timeout=60)
        os.close(inner)
        said = os.read(outer, 65_536)
        os.close(outer)
        assert b"i\\u009b2J" in said
        assert said.count(b"\n") == 1
        assert not {b"\x1b", "\x9b".encode()} & {
            said[at : at + size] for size in (1, 2) for at in range(len(said))
        }
        assert command("audit", "show", path, "--json").stdout.encode() == line

    def test_a_packed_file_that_is_not_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl.gz"
        path.write_bytes(gzip.compress(members(1) * 1000)[:-9])
        done = command("audit", "show", path)
        assert (done.returncode, "is damaged" in done.stderr) == (2, True)


def test_a_key(tmp_path: Path) -> None:
    done = command("audit", "key", tmp_path / "audit.key")
    assert done.stdout == keys.public_text(keys.private((tmp_path / "audit.key").read_text()))
    again = command("audit", "key", tmp_path / "audit.key")
    assert (again.returncode, "File exists" in again.stderr) == (2, True)
