"""Who holds a port: real sockets, and other people's as the kernel writes them."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from router.web.taken import holder, told

ME = f"{os.getpid()} ("


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "localhost"),
        ("127.0.0.1", "0.0.0.0"),
        ("0.0.0.0", "127.0.0.1"),
        ("::1", "::1"),
        ("::", "::1"),
    ],
)
def test_whoever_listens_is_named(held: str, wanted: str) -> None:
    family = socket.AF_INET6 if ":" in held else socket.AF_INET
    with closing(socket.create_server((held, 0), family=family)) as taken:
        port = taken.getsockname()[1]
        found = holder(wanted, port)
        assert found is not None
        assert found.startswith(ME)
        assert found.endswith(f", in {Path.cwd()})")
        assert told(wanted, port).startswith(
            f" by process {found}; end that one, or take another port (--port"
        )
    assert holder(wanted, port) is None


def test_another_address_is_no_hindrance() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        assert holder("127.0.0.2", taken.getsockname()[1]) is None


@pytest.mark.parametrize(
    ("innocent", "culprit", "wanted"),
    [
        ("0.0.0.0", "::1", "::1"),
        ("127.0.0.1", "::", "::"),
        ("127.0.0.2", "127.0.0.1", "localhost"),
        ("127.0.0.2", "::ffff:127.0.0.1", "127.0.0.1"),
    ],
)
def test_nobody_is_named_who_is_not_in_the_way(
    innocent: str, culprit: str, wanted: str, tmp_path: Path
) -> None:
    """As the kernel writes them, and with processes by the names of their addresses."""
    tables: dict[str, str] = {"tcp": "\n", "tcp6": "\n"}
    for number, address in enumerate((innocent, culprit)):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        raw = socket.inet_pton(family, address)
        words = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4)).hex().upper()
        table = "tcp6" if ":" in address else "tcp"
        tables[table] += f"{number}: {words}:0050 0:0 0A 0:0 00:0 0 0 0 {number}\n"
        descriptor = tmp_path / str(number + 1) / "fd" / "3"
        descriptor.parent.mkdir(parents=True)
        descriptor.symlink_to(f"socket:[{number}]")
        (tmp_path / str(number + 1) / "comm").write_text(address)
    (tmp_path / "net").mkdir()
    for table, text in tables.items():
        (tmp_path / "net" / table).write_text(text)
    assert holder(wanted, 80, tmp_path) == f"2 ({culprit}, in ?)"


def test_what_only_connects_from_a_port_does_not_hold_it() -> None:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as server,
        closing(socket.create_connection(server.getsockname())) as client,
    ):
        assert holder("127.0.0.1", client.getsockname()[1]) is None


def test_where_the_system_does_not_tell_it_says_how_to_find_out(tmp_path: Path) -> None:
    assert told("127.0.0.1", 80, tmp_path).startswith(
        "; `ss -atnp 'sport = :80'`, as root, says by whom; end"
    )
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000    0 0 4711 1 0\n"
    )
    (tmp_path / "12" / "fd").mkdir(parents=True)
    assert holder("127.0.0.1", 80, tmp_path) is None  # of another user, whose files are not shown
    (tmp_path / "12" / "fd" / "3").symlink_to("socket:[4711]")
    (tmp_path / "12" / "comm").write_text("nginx\n")
    assert holder("127.0.0.1", 80, tmp_path) == "12 (nginx, in ?)"
