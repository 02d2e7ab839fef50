"""Answers that no HTTP server should give, as bytes."""

from __future__ import annotations

__all__ = ["BOMB", "answer"]

BOMB = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(8))
    + b"]><x>&i;</x>"
)


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """A whole answer; underscores in the headers' names stand for hyphens."""
    lines = [f"HTTP/1.1 {status} No", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
