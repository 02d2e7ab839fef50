"""Every codec of Avro: written back as it was, bounded, and found out when a block is damaged."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cramjam
import fastavro
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from concord.errors import UnreadableInput
from concord.platforms import avro_blocks
from concord.platforms.avro_blocks import CODECS
from concord.platforms.base import Operation, Outcome, Record, Verb
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration
from concord.platforms.files import Files

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Contact",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "first", "type": ["null", "string"]},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
    ],
}
ROWS = [{"id": str(n), "first": f"first {n}", "tags": ["a", "ž"] * (n % 3)} for n in range(500)]
DECLARED = PlatformDeclaration.model_validate(
    {
        "kind": "files",
        "connection": "n",
        "pattern": "*.avro",
        "id": "id",
        "purpose": "x",
        "fields": {"given_name": "first"},
    }
)
ZEROS = bytes(16 << 20)


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def snappy(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data)) + zlib.crc32(data).to_bytes(4, "big")


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "null": bytes,
    "deflate": deflated,
    "snappy": snappy,
    "zstandard": zstd.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


@cache
def bomb(codec: str) -> bytes:
    packed = PACKED[codec](ZEROS)
    assert len(packed) < 1 << 20
    return packed


packing = pytest.mark.parametrize("codec", [name for name in CODECS if name != "null"])
STREAMS = ("zstandard", "bzip2", "xz")


def files(folder: Path) -> Files:
    return Files("letters", DECLARED, Connection("n", "fs", str(folder)), root=folder)


def listed(folder: Path) -> list[Record]:
    return [record for page in files(folder).listing() for record in page.records]


def put(folder: Path, codec: str, rows: list[dict[str, Any]]) -> Path:
    file = folder / "x.avro"
    with file.open("wb") as stream:
        fastavro.writer(stream, SCHEMA, rows, codec=codec, sync_interval=4_000)
    return file


def put_block(folder: Path, codec: str, body: bytes) -> Path:
    """A file whose only block holds *body*."""
    file = put(folder, codec, [])
    block = io.BytesIO()
    for number in (1, len(body)):
        fastavro.schemaless_writer(block, "long", number)
    whole = file.read_bytes()
    file.write_bytes(whole + block.getvalue() + body + whole[-16:])
    return file


@pytest.mark.parametrize("codec", CODECS)
def test_a_file_is_read_and_written_back_with_the_codec_it_has(tmp_path: Path, codec: str) -> None:
    file = put(tmp_path, codec, ROWS)
    assert [one.remote_id for one in listed(tmp_path)] == [row["id"] for row in ROWS]
    change = Operation("o", Verb.UPDATE, "7", "p", {"first": "Zoë"}, {"first": "first 7"})
    (receipt,) = files(tmp_path).write([change])
    assert receipt.outcome is Outcome.OK
    with file.open("rb") as stream:
        reader = fastavro.reader(stream)
        assert dict(reader.metadata)["avro.codec"] == codec
        assert list(reader) == [{**r, "first": "Zoë"} if r["id"] == "7" else r for r in ROWS]


@packing
def test_a_block_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_block(tmp_path, codec, bomb(codec))
    monkeypatch.setattr(avro_blocks, "MOST_UNPACKED", 8 << 20)
    with pytest.raises(UnreadableInput, match=r"unpacks to more than 8 MiB by its block 1; split"):
        listed(tmp_path)


@packing
def test_no_codec_counts_far_over_the_most_that_is_left(codec: str) -> None:
    counted = CODECS[codec](bomb(codec), 1)
    assert counted == (len(ZEROS) if codec == "snappy" else 1 << 20)


@pytest.mark.parametrize("codec", STREAMS)
def test_streams_one_after_the_other_are_one_block(codec: str) -> None:
    parts = [b"one", b"", b"three" * 1_000_000]
    body = b"".join(map(PACKED[codec], parts))
    assert CODECS[codec](body, 1 << 30) == sum(map(len, parts))
    bombs = PACKED[codec](bytes(1 << 20)) * 60
    assert CODECS[codec](bombs, 4 << 20) <= 7 << 20


@pytest.mark.parametrize("codec", CODECS)
@given(st.binary(max_size=3_000))
def test_what_a_block_unpacks_to_is_counted_exactly(codec: str, data: bytes) -> None:
    assert CODECS[codec](PACKED[codec](data), 1 << 20) == len(data)


@packing
def test_a_damaged_block_is_an_error_without_a_value(tmp_path: Path, codec: str) -> None:
    sound = PACKED[codec](b"Canary" * 400)
    for body in (b"Canary" * 9, sound[: len(sound) // 2]):
        put_block(tmp_path, codec, body)
        with pytest.raises(UnreadableInput, match="damaged") as caught:
            listed(tmp_path)
        assert "Canary" not in str(caught.value)


def test_a_snappy_block_that_lies_about_its_length_is_not_believed(tmp_path: Path) -> None:
    four_gibibytes = b"\xff\xff\xff\xff\x0f"
    put_block(tmp_path, "snappy", four_gibibytes + b"\0\0aaaa")
    with pytest.raises(UnreadableInput, match="unpacks to more than 1024 MiB"):
        listed(tmp_path)


def test_a_snappy_block_whose_checksum_is_of_other_bytes_is_damaged(tmp_path: Path) -> None:
    body = snappy(b"\x02a\x00\x00")
    put_block(tmp_path, "snappy", body[:-4] + b"\0\0\0\0")
    with pytest.raises(UnreadableInput, match="has a damaged block 1"):
        listed(tmp_path)


def test_an_xz_block_that_asks_for_much_memory_is_refused(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    body = bytearray(lzma.compress(b"a", lzma.FORMAT_XZ, filters=filters))
    # https://tukaani.org/xz/xz-file-format.txt: the dictionary's size, then the header's checksum
    size = body[12] * 4 + 4
    place = bytes(body).index(b"\x21\x01", 12) + 2
    body[place] = 40
    body[12 + size - 4 : 12 + size] = zlib.crc32(body[12 : 12 + size - 4]).to_bytes(4, "little")
    with pytest.raises(lzma.LZMAError, match=r"(?i)memory"):
        CODECS["xz"](bytes(body), 1 << 30)


def test_a_codec_that_is_not_read_is_named_with_those_that_are(tmp_path: Path) -> None:
    file = put(tmp_path, "deflate", ROWS)
    file.write_bytes(file.read_bytes().replace(b"deflate", b"inflate", 1))
    with pytest.raises(UnreadableInput, match="one of null, deflate, snappy, zstandard, bzip2, xz"):
        listed(tmp_path)


def test_a_block_with_another_files_marker_is_named_by_its_number(tmp_path: Path) -> None:
    whole = put(tmp_path, "deflate", ROWS).read_bytes()
    marker, last = whole[-16:], len(whole) - 16
    count = whole.count(marker) - 1
    assert count > 2
    (tmp_path / "x.avro").write_bytes(whole[:last] + bytes(16))
    told = rf"^x\.avro: has another marker after its block {count} than its header names"
    with pytest.raises(UnreadableInput, match=told):
        listed(tmp_path)
    (tmp_path / "x.avro").write_bytes(whole[: last - 5])
    with pytest.raises(UnreadableInput, match=rf"^x\.avro: ends within its block {count}"):
        listed(tmp_path)
