"""The search for canaries finds them however they are written, and nothing else."""

from __future__ import annotations

import base64
import json
import quopri
import secrets
from collections.abc import Callable
from urllib.parse import quote

import pytest
from canaries import Canary, canary, finds

WAYS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "upper case": lambda text: text.upper().encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 big end first": lambda text: text.encode("utf-16-be"),
    "percent": lambda text: "".join(f"%{one:02X}" for one in text.encode()).encode(),
    "a URL": lambda text: quote(text).encode(),
    "quoted-printable": lambda text: quopri.encodestring(b"x" * 70 + text.encode()),
    "quoted-printable, all of it": lambda t: "".join(f"={one:02X}" for one in t.encode()).encode(),
    "JSON": lambda text: json.dumps(text).encode(),
    "hexadecimal": lambda text: text.encode().hex().encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64 after one byte": lambda text: base64.b64encode(b"x" + text.encode()),
    "base64 after two bytes": lambda text: base64.b64encode(b"xx" + text.encode()),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16")),
}
WORDS: dict[str, Callable[[Canary], str]] = {
    "given": lambda one: one.given,
    "family": lambda one: one.family,
    "email": lambda one: one.email,
    "phone": lambda one: one.phone,
}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("way", WAYS)
def test_a_canary_is_found_however_it_is_written(way: str, word: str) -> None:
    written = WAYS[way](WORDS[word](canary("somewhere")))
    assert finds(b"before " + written + b" after")


@pytest.mark.parametrize("shown", ["0660 739 1846-00", "(0660) 7391846 00", "+43 660/73 91 84 6"])
def test_a_phone_number_is_found_however_it_is_spaced(shown: str) -> None:
    assert finds(shown.encode())


def test_noise_is_no_canary() -> None:
    assert finds(secrets.token_bytes(1_000_000)) == []
    assert finds(secrets.token_urlsafe(1_000_000).encode()) == []


def test_a_find_says_where_it_was_planted() -> None:
    assert b"somewhere" in finds(canary("somewhere").email.encode())[0]
