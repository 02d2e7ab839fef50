"""A project of one's own with three folders of files: Parquet, Avro and cards."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

from concord.assets.commit import RunId
from concord.assets.table import Lake
from concord.cli.init import init
from concord.platforms.connection import Connection
from concord.project import load
from concord.steps.context import Context
from concord.steps.deploy import deploy
from concord.steps.rounds import Run, run_to_rest

__all__ = ["ThreeFormats", "other_lines"]

PLATFORMS = {
    "shop": """\
kind: files
path: exports/shop
pattern: '*.parquet'
id: id
updated_at: changed
external_id: concord
purpose: customer_care
audience: emails is not null
fields:
  given_name: first
  family_name: last
  emails: {from: email, type: work, preferred: true}
  phones: {from: phone, type: work, preferred: true}
  birth_date: born
  organisation: company
  country: country
""",
    "club": """\
kind: files
path: exports/club
pattern: '*.avro'
id: member
external_id: concord
purpose: customer_care
audience: emails is not null
fields:
  given_name: given
  family_name: family
  emails: {from: mail, type: work, preferred: true}
  phones: {from: tel, type: work, preferred: true}
  birth_date: born
  country: land
""",
    "book": """\
kind: files
path: exports/book
pattern: '*.vcf'
purpose: customer_care
audience: emails is not null
fields:
  given_name: N.given
  family_name: N.family
  full_name: FN
  emails: EMAIL
  phones: TEL
  birth_date: BDAY
  organisation: ORG
""",
}
RECIPIENTS = ", ".join(f"'platform:{name}'" for name in PLATFORMS)
PROCESSING = f"""\
controller: {{name: My company, contact: privacy@example.org, dpo: dpo@example.org}}
security: Encrypted disks.
purposes:
  customer_care: {{legal_basis: contract, subjects: [customer], recipients: [{RECIPIENTS}],
    transfers: none, retention: 3 years}}
"""

SHOP = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        *(pa.field(name, pa.string()) for name in ("first", "last", "email", "phone")),
        pa.field("born", pa.date32()),
        pa.field("company", pa.dictionary(pa.int32(), pa.string())),
        pa.field("country", pa.string()),
        pa.field("changed", pa.timestamp("us", "UTC")),
        pa.field("concord", pa.string()),
        pa.field("balance", pa.decimal128(12, 2)),
        pa.field(
            "orders", pa.list_(pa.struct([("at", pa.timestamp("ns")), ("sum", pa.float64())]))
        ),
        pa.field("seal", pa.binary()),
    ],
    metadata={"made by": "the shop"},
)
OPTIONAL = ["null", "string"]
CLUB: dict[str, Any] = {
    "type": "record",
    "name": "Member",
    "namespace": "club",
    "fields": [
        {"name": "member", "type": "string"},
        *({"name": name, "type": OPTIONAL} for name in ("given", "family", "mail", "tel")),
        {"name": "born", "type": ["null", {"type": "int", "logicalType": "date"}]},
        {"name": "land", "type": OPTIONAL},
        {"name": "concord", "type": OPTIONAL},
        {"name": "sports", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "locker", "type": ["null", {"type": "map", "values": "double"}], "default": None},
    ],
}
ANNAS_ORDERS = [{"at": datetime(2026, 1, 2), "sum": 0.1}, {"at": None, "sum": None}]
SHOPPERS = [
    {
        "id": "S1",
        "first": " Anna ",
        "last": "GRUBER",
        "email": "Anna.Gruber@X.example",
        "phone": "0660 123 98 76",
        "company": "Acme",
        "country": "Österreich",
        "changed": datetime(2026, 1, 5, 8, tzinfo=UTC),
        "balance": Decimal("12.30"),
        "orders": ANNAS_ORDERS,
        "seal": b"\x00\xff",
    },
    {
        "id": "S2",
        "first": "Béla",
        "last": "Kovács",
        "email": "bela@x.example",
        "born": date(1980, 2, 29),
        "company": "Acme",
        "changed": datetime(2026, 1, 6, 8, tzinfo=UTC),
        "orders": [],
    },
    {"id": "S3", "first": "Filip", "last": "Horvat", "email": "filip at x", "seal": b"mend me"},
    *(
        {"id": f"S-{name}", "first": name, "last": "Solo", "email": f"{name.lower()}@x.example"}
        for name in ("Gus", "Hana", "Ivo")
    ),
]
MEMBERS = [
    {
        "member": "M1",
        "given": "Anna",
        "family": "Gruber",
        "mail": "anna.gruber@x.example",
        "born": date(1990, 5, 1),
        "land": "AT",
        "sports": ["judo", "šach"],
        "locker": {"12": 1.5},
    },
    {
        "member": "M2",
        "given": "Chiara",
        "family": "Rossi",
        "mail": "chiara@x.example ",
        "tel": "+43 1 5880 1003",
        "sports": [],
        "locker": None,
    },
]
BELAS_CARD = (
    "BEGIN:VCARD",
    "VERSION:3.0",
    "PRODID:-//Somebody//EN",
    "UID:b",
    "N:Kovács;Béla;;Dr.;",
    "FN:Béla Kovács",
    "item1.EMAIL;TYPE=INTERNET,WORK:BELA@x.example",
    "item1.X-ABLABEL:office",
    "TEL;TYPE=CELL:+43 660 555 11 22",
    "NOTE:likes tea\\, and a long lin",
    " e that is folded",
    "PHOTO;ENCODING=b;TYPE=PNG:iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
    "X-HAT:red",
    "END:VCARD",
)
DORAS_CARD = (
    "BEGIN:VCARD",
    "VERSION:4.0",
    "UID:d",
    "FN:Dora Wolf",
    "N:Wolf;Dora;;;",
    "EMAIL;PREF=1:dora@x.example",
    "ORG:Dora AG;Sales",
    "BDAY:19750704",
    "X-SHOE;X-SIZE=38:left",
    "END:VCARD",
)
_MAPPED = re.compile(r"^(item\d\.)?(N|FN|EMAIL|TEL|BDAY|ORG|REV|X-CONCORD-PERSON)[;:]")


class ThreeFormats:
    """The project, its folders, and runs of it."""

    def __init__(self, folder: Path) -> None:
        init(folder)
        self.root = folder
        self.record_key = b"k" * 32
        self.connections: dict[str, Connection] = {}  # folders of the project need none
        for old in (folder / "assets" / "platforms").iterdir():
            old.unlink()
        shutil.rmtree(folder / "exports")
        for name, text in PLATFORMS.items():
            (folder / "assets" / "platforms" / f"{name}.yaml").write_text(text, encoding="utf-8")
            (folder / "exports" / name).mkdir(parents=True)
        (folder / "lineage" / "processing.yaml").write_text(PROCESSING, encoding="utf-8")
        self._edit("assets/people.yaml", "[crm, newsletter]", f"[{', '.join(PLATFORMS)}]")
        self._edit("concord.yaml", "delivery: approve", "environments: {demo: {delivery: auto}}")
        self.shop_file = folder / "exports" / "shop" / "customers.parquet"
        self.club_file = folder / "exports" / "club" / "members.avro"
        self.book_folder = folder / "exports" / "book"
        self.write_shop([{**dict.fromkeys(SHOP.names), **row} for row in SHOPPERS])
        empty = {one["name"]: None for one in CLUB["fields"]}
        self.write_club([{**empty, **row} for row in MEMBERS])
        self.write_card("Béla Kovács", BELAS_CARD)
        self.write_card("Dora", DORAS_CARD)
        self.ctx = Context(
            project=load(folder, "demo"),
            run=RunId("deploy", "deploy"),
            lake=Lake(str(folder / "lake")),
            record_key=self.record_key,
            connect=self.connections.__getitem__,
            now=lambda: datetime.now(UTC),
            tell=lambda _: None,
        )
        deploy(self.ctx, resolved=False)

    def _edit(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text(encoding="utf-8")
        assert old in text
        (self.root / path).write_text(text.replace(old, new), encoding="utf-8")

    def run(self) -> Run:
        return run_to_rest(self.ctx, f"run-{datetime.now(UTC).timestamp()}")

    def shop(self) -> dict[str, dict[str, Any]]:
        """The shop's rows by e-mail."""
        return {row["email"]: row for row in pq.read_table(self.shop_file).to_pylist()}

    def club(self) -> dict[str, dict[str, Any]]:
        """The club's rows by e-mail."""
        with self.club_file.open("rb") as stream:
            rows = [row for row in fastavro.reader(stream) if isinstance(row, dict)]
        return {row["mail"].strip(): row for row in rows}

    def book(self) -> dict[str, bytes]:
        """Cards by given name."""
        found = {}
        for file in self.book_folder.glob("*.vcf"):
            card = file.read_bytes()
            named = re.search(rb"^FN:(\S+) ", card, re.MULTILINE)
            assert named
            found[named[1].decode()] = card
        return found

    def write_shop(self, rows: list[dict[str, Any]]) -> None:
        table = pa.Table.from_pylist(rows, SHOP)
        pq.write_table(table, self.shop_file, row_group_size=2, compression="zstd")

    def write_club(self, rows: list[dict[str, Any]]) -> None:
        with self.club_file.open("wb") as stream:
            told = {"made.by": "the club"}
            fastavro.writer(stream, CLUB, rows, codec="deflate", metadata=told)

    def write_card(self, name: str, lines: tuple[str, ...]) -> None:
        (self.book_folder / f"{name}.vcf").write_bytes("\r\n".join((*lines, "")).encode())

    def replace_in_cards(self, old: str, new: str) -> None:
        """Edit the one card that holds *old*."""
        (file,) = [f for f in self.book_folder.glob("*.vcf") if old.encode() in f.read_bytes()]
        file.write_bytes(file.read_bytes().replace(old.encode(), new.encode()))
        os.utime(file)

    def files(self) -> Mapping[str, bytes]:
        """Every file's bytes."""
        found = (self.root / "exports").rglob("*.*")
        return {one.name: one.read_bytes() for one in found if not one.name.startswith(".")}


def other_lines(card: bytes) -> list[str]:
    """The lines of a card, folds and line ends as they are, that nothing is mapped to."""
    text = card.decode()
    whole = re.findall(r"[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", text)
    assert "".join(whole) == text
    return [line for line in whole if not _MAPPED.match(line)]
