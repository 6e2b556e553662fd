"""Who holds a port that cannot be had: asked of Linux, as far as it tells this user (proc(5))."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path

_LISTENS = "0A"
"""TCP_LISTEN, as /proc/net/tcp writes it."""

_WORD = 4
_IPV4 = 4

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def told(host: str, port: int, proc: Path = Path("/proc")) -> str:
    """What to tell of a port that is in use: by whom, or how to find out; and what to do."""
    found = holder(host, port, proc)
    by = f" by process {found}" if found else f"; `ss -atnp 'sport = :{port}'`, as root, says by whom"
    return f"{by}; end that one, or take another port (--port, or the router's `settings.listen`)"


def holder(host: str, port: int, proc: Path = Path("/proc")) -> str | None:
    """The process that listens where nobody else can listen any more: its id, name and folder.

    Args:
        host: an address, or a name.
        port: of TCP.
        proc: where the kernel's files are.

    Returns:
        `1234 (python, in /srv/router)`; None where the system does not tell, or not this user.
    """
    sockets = {f"socket:[{inode}]" for inode in _inodes(host, port, proc)}
    for process in _processes(proc) if sockets else ():
        with contextlib.suppress(OSError):  # it has ended meanwhile, or is somebody else's
            if any(_link(one) in sockets for one in (process / "fd").iterdir()):
                name = (process / "comm").read_text(errors="replace").strip()
                return f"{process.name} ({name}, in {_link(process / 'cwd')})"
    return None


def _inodes(host: str, port: int, proc: Path) -> Iterator[str]:
    """The listening sockets that are in the way, and no others: people are told to end their processes."""
    wanted = _meant(host)
    if wanted is None:
        return
    for table in ("tcp", "tcp6") if wanted.version == _IPV4 else ("tcp6",):
        try:
            lines = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *_, inode = line.split()[:10]
            address, _, number = local.partition(":")
            if state == _LISTENS and int(number, 16) == port and _clash(_address(address), wanted):
                yield inode


def _meant(host: str) -> _Address | None:
    """The address that somebody wanted to listen on."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.ip_address(socket.gethostbyname(host))  # as when it was bound, a moment ago
    except OSError:
        return None


def _address(text: str) -> _Address:
    """An address as the kernel writes it: words of four bytes, each little-endian; mapped IPv4 as IPv4."""
    raw = bytes.fromhex(text)
    found = ipaddress.ip_address(b"".join(raw[at : at + _WORD][::-1] for at in range(0, len(raw), _WORD)))
    return getattr(found, "ipv4_mapped", None) or found


def _clash(held: _Address, wanted: _Address) -> bool:
    """Whether one address is, or includes, the other. `::` may include IPv4, but not the router's own."""
    if held.version != wanted.version:
        return wanted.version == _IPV4 and held.is_unspecified
    return held == wanted or held.is_unspecified or wanted.is_unspecified


def _processes(proc: Path) -> Iterator[Path]:
    return (one for one in proc.iterdir() if one.name.isdecimal())


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return "?"
