"""Why there was no answer, for a person. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_PHRASES: Final = (
    ("Connection refused", "connection refused by {peer}"),
    ("Connection reset", "connection reset by {peer} before it answered"),
    ("connection reset", "connection reset by {peer} before it answered"),
    ("Broken pipe", "connection closed by {peer} before it answered"),
    ("connection closed", "connection closed by {peer} before it answered"),
    ("No route to host", "no route to {peer}"),
    ("Network is unreachable", "the network of {peer} cannot be reached from here"),
    ("Too many open files", "this machine is out of file descriptors (ulimit -n)"),
    (
        "proxy authorization required",
        "the proxy does not let {peer} be asked for: mend `proxy.user` and `password`",
    ),
    ("CertificateRequired", "{peer} wants a client certificate; give it one (`tls`)"),
    (
        "CaUsedAsEndEntity",
        "TLS with {peer} failed: it shows an authority's own certificate; give it one without CA:TRUE",
    ),
    # The client's own words hold the time of day, which would make a new reason of each attempt.
    ("certificate expired", "TLS with {peer} failed: its certificate has expired"),
    ("certificate not valid yet", "TLS with {peer} failed: its certificate does not count yet"),
    (
        "UnknownIssuer",
        "TLS with {peer} failed: its certificate is signed by nobody trusted here; name them in `tls.ca`",
    ),
    ("ProtocolVersion", "TLS with {peer} failed: it speaks no version from `tls.minimum` on"),
    ("tls handshake eof", "TLS with {peer} failed: it hung up; does it speak `tls.minimum`, or a later one?"),
    ("close_notify", "{peer} ended TLS before it answered; does it want a client certificate (`tls`)?"),
    ("InvalidContentType", "{peer} does not speak TLS: is it http:// instead of https://?"),
)
"""What the client says (the operating system's words, mostly), and what we say. First match wins."""


def reason_of(causes: Sequence[str], name: str, met: str) -> str:
    """What an error of the client means.

    Args:
        causes: what the client says, the root of it last; at least one.
        name: who was asked, as `host:port`.
        met: who was connected to: the same, or the proxy.
    """
    root = causes[-1]
    peer = met if "tcp connect error" in causes else name
    for sign, phrase in _PHRASES:
        if any(sign in cause for cause in causes):
            return phrase.format(peer=peer)
    if "certificate" in root or "fatal alert" in root:
        return f"TLS with {peer} failed: {root}"
    if "tcp connect error" in causes:
        return f"no connection to {peer}: {root}"
    return f"{peer} broke HTTP: {root}"
