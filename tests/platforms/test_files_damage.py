"""Damaged files: each is told apart, says what to do, and leaves its neighbours as they are."""

from __future__ import annotations

import base64
import io
import os
import random
from collections.abc import Callable
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest

from concord.errors import ConcordError, PlatformDown, UnreadableInput
from concord.platforms.base import Operation, Verb
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration
from concord.platforms.files import Files

ROWS = [{"UID": str(n), "FN": f"Canary {n}"} for n in range(1000)]
TABLE = pa.Table.from_pylist(ROWS)
SCHEMA = {
    "type": "record",
    "name": "C",
    "fields": [{"name": name, "type": "string"} for name in ("UID", "FN")],
}
CARDS = "".join(
    f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{n}\r\nFN:Canaré {n}\r\nEND:VCARD\r\n" for n in range(20)
)
CREATE = Operation("c", Verb.CREATE, None, "p", {"FN": "Canary"})


def files(folder: Path, form: str) -> Files:
    declared = PlatformDeclaration.model_validate(
        {
            "kind": "files",
            "connection": "n",
            "pattern": f"*.{form}",
            "id": "UID",
            "purpose": "x",
            "fields": {"full_name": "FN"},
        }
    )
    return Files("letters", declared, Connection("n", "fs", str(folder)), root=folder)


def parquet(**options: bool | str) -> bytes:
    held = io.BytesIO()
    pq.write_table(TABLE, held, row_group_size=300, **options)
    return held.getvalue()


def avro() -> bytes:
    held = io.BytesIO()
    fastavro.writer(held, SCHEMA, ROWS, sync_interval=3000)
    return held.getvalue()


class Keys(pe.KmsClient):
    def wrap_key(self, key_bytes: bytes, _name: str) -> bytes:
        return base64.b64encode(key_bytes)

    def unwrap_key(self, wrapped_key: bytes, _name: str) -> bytes:
        return base64.b64decode(wrapped_key)


def encrypted(*, plain_footer: bool) -> bytes:
    settings = pe.EncryptionConfiguration("k", column_keys={"c": ["FN"]})
    settings.plaintext_footer = plain_footer
    factory = pe.CryptoFactory(lambda _: Keys())
    how = factory.file_encryption_properties(pe.KmsConnectionConfig(), settings)
    held = io.BytesIO()
    with pq.ParquetWriter(held, TABLE.schema, encryption_properties=how) as writer:
        writer.write_table(TABLE)
    return held.getvalue()


def a_page_of_which_one_bit_turned() -> bytes:
    whole = parquet(write_page_checksum=True, compression="none", use_dictionary=False)
    return whole.replace(b"Canary 700", b"Canary 70p")


DAMAGED: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "empty": ("parquet", bytes, "is empty, it has 0 bytes; export"),
    "cut off": ("parquet", lambda: parquet()[:-500], r"was cut off, it ends after \d+ bytes"),
    "another format": ("parquet", lambda: b"UID,FN\n1,Canary\n", "is no Parquet file, its first"),
    "zeros": ("parquet", lambda: bytes(500), "is no Parquet file"),
    "footer": ("parquet", lambda: parquet()[:-90] + bytes(80) + parquet()[-10:], "list of columns"),
    "page": ("parquet", a_page_of_which_one_bit_turned, "of its 1000 rows none was taken; export"),
    "encrypted": ("parquet", lambda: encrypted(plain_footer=False), "is encrypted, .*export it wi"),
    "a column": ("parquet", lambda: encrypted(plain_footer=True), "is encrypted"),
    "no record": ("avro", bytes, "is empty"),
    "magic": ("avro", lambda: b"XXXX" + avro()[4:], "is no Avro file"),
    "header": ("avro", lambda: avro()[:40], "its schema or a block cannot be read"),
    "marker": ("avro", lambda: avro()[:-16] + bytes(16), "has another marker after its block 5"),
    "last block": ("avro", lambda: avro()[:-60], "ends within its block 5"),
    "UTF-16": ("vcf", lambda: CARDS.encode("utf-16"), "is UTF-16, not UTF-8; export it as UTF-8"),
    "UTF-16LE": ("vcf", lambda: CARDS.encode("utf-16-le"), "is UTF-16 or UTF-32, not UTF-8"),
    "UTF-16BE": ("vcf", lambda: CARDS.encode("utf-16-be"), "is UTF-16 or UTF-32, not UTF-8"),
    "UTF-32": ("vcf", lambda: CARDS.encode("utf-32"), "is UTF-32, not UTF-8"),
    "no card": ("vcf", lambda: b"UID,FN\n1,Canary\n", "holds no card, though it is not empty"),
}


@pytest.mark.parametrize("which", DAMAGED)
def test_each_damage_has_words_of_its_own_and_its_neighbour_stays(
    tmp_path: Path, which: str
) -> None:
    form, make, told = DAMAGED[which]
    sound = {"parquet": parquet, "avro": avro, "vcf": lambda: CARDS.encode()}[form]()
    (tmp_path / f"a.{form}").write_bytes(sound)
    os.utime(tmp_path / f"a.{form}", (1, 1))
    (tmp_path / f"x.{form}").write_bytes(damaged := make())
    shown = r"one of the files \*\.vcf, number 2 of 2 by name" if form == "vcf" else rf"x\.{form}"
    for use in (
        lambda: list(files(tmp_path, form).listing()),
        lambda: files(tmp_path, form).write([CREATE]),
    ):
        with pytest.raises(UnreadableInput, match=rf"^{shown}.*{told}") as caught:
            use()
        assert "Canar" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert (tmp_path / f"a.{form}").read_bytes() == sound
        assert (tmp_path / f"x.{form}").read_bytes() == damaged
    (tmp_path / f"x.{form}").unlink()
    count = sum(len(page.records) for page in files(tmp_path, form).listing())
    assert count == (20 if form == "vcf" else 1000)


@pytest.mark.parametrize("form", ["parquet", "avro", "vcf", "csv"])
def test_a_folder_that_is_called_like_a_file_is_none(tmp_path: Path, form: str) -> None:
    (tmp_path / f"x.{form}").mkdir()
    with pytest.raises(PlatformDown, match=r"no file matches .*; 1 that do are no files"):
        list(files(tmp_path, form).listing())


def test_an_empty_file_of_cards_holds_nobody(tmp_path: Path) -> None:
    (tmp_path / "x.vcf").write_bytes(b"\r\n")
    (page,) = files(tmp_path, "vcf").listing()
    assert page.records == []


def test_whatever_bytes_are_damaged_the_error_is_ours(tmp_path: Path) -> None:
    whole, chance = parquet(), random.Random(1)
    wrong = 0
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] = chance.randrange(256)
        (tmp_path / "x.parquet").write_bytes(damaged)
        try:
            list(files(tmp_path, "parquet").listing())
        except ConcordError:
            wrong += 1
    assert wrong > 30
