"""Contacts in Parquet, Avro and cards become the same people; all else in the files stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import fastavro
import pyarrow.parquet as pq
import pytest
from three_formats import ThreeFormats, other_lines

EVERYBODY = ["Anna", "Béla", "Chiara", "Dora", "Gus", "Hana", "Ivo"]
UNMAPPED_IN_SHOP = ("balance", "orders", "seal")
UNMAPPED_IN_CLUB = ("sports", "locker")


@dataclass(frozen=True)
class Rest:
    """What nothing is mapped to, of every record that was there from the start."""

    shop: Any
    club: Any
    cards: Mapping[str, list[str]]


def rest(world: ThreeFormats) -> Rest:
    """As far as the files' first records go: what Concord adds comes after them."""
    file = pq.ParquetFile(world.shop_file)
    codecs = {file.metadata.row_group(0).column(n).compression for n in range(9)}
    shop = (
        file.schema.to_arrow_schema(),
        str(file.schema).splitlines()[1:],
        file.metadata.metadata[b"made by"],
        codecs,
        file.read(columns=list(UNMAPPED_IN_SHOP)).slice(0, 6).to_pylist(),
    )
    with world.club_file.open("rb") as stream:
        reader = fastavro.reader(stream)
        rows = [row for row in reader if isinstance(row, dict)]
        header = dict(reader.metadata)
    club = header, [[row[name] for name in UNMAPPED_IN_CLUB] for row in rows[:2]]
    cards = {name: other_lines(world.book()[name]) for name in ("Béla", "Dora")}
    return Rest(shop, club, cards)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> tuple[ThreeFormats, Rest]:
    """The project after a first run, and what its files held besides before it."""
    world = ThreeFormats(tmp_path_factory.mktemp("formats") / "project")
    before = rest(world)
    first = world.run()
    assert (first.failed, first.writes) == ({}, 16)
    return world, before


@pytest.fixture
def world(worlds: tuple[ThreeFormats, Rest]) -> ThreeFormats:
    return worlds[0]


def test_everybody_with_a_sound_address_is_in_every_file_and_nobody_twice(
    world: ThreeFormats,
) -> None:
    shop = [row["first"].strip() for row in world.shop().values() if "@" in row["email"]]
    club = [row["given"] for row in world.club().values()]
    golden = world.ctx.open("golden/contacts").frame().collect()["given_name"]
    assert sorted(shop) == sorted(club) == sorted(world.book()) == sorted(golden) == EVERYBODY
    assert len(world.files()) == 2 + len(EVERYBODY)
    assert str(world.shop()["Anna.Gruber@X.example"]["born"]) == "1990-05-01"
    assert world.club()["bela@x.example"]["tel"] == "+436605551122"


def test_a_second_run_writes_nothing_and_touches_no_file(world: ThreeFormats) -> None:
    before = world.files()
    second = world.run()
    assert (second.failed, second.writes) == ({}, 0)
    assert world.files() == before


def test_what_nothing_is_mapped_to_stays_as_it_was(worlds: tuple[ThreeFormats, Rest]) -> None:
    world, before = worlds
    assert rest(world) == before
    assert world.shop()["filip at x"]["first"] == "Filip"


def test_an_edit_in_each_file_reaches_the_two_others_and_nobody_else(
    worlds: tuple[ThreeFormats, Rest],
) -> None:
    world, unmapped = worlds
    before = world.files()
    shop, club = world.shop(), world.club()
    shop["bela@x.example"]["last"] = "Kovács-Nagy"
    world.write_shop(list(shop.values()))
    club["anna.gruber@x.example"]["born"] = None
    club["chiara@x.example"]["tel"] = "+43 1 5880 2000"
    world.write_club(list(club.values()))
    world.replace_in_cards("dora@x.example", "dora.wolf@x.example")
    run = world.run()
    assert (run.failed, run.writes) == ({}, 8)

    assert world.club()["bela@x.example"]["family"] == "Kovács-Nagy"
    assert "N:Kovács-Nagy;Béla;;Dr.;\r\n" in world.book()["Béla"].decode()
    assert world.shop()["Anna.Gruber@X.example"]["born"] is None
    assert b"BDAY" not in world.book()["Anna"]
    assert world.shop()["chiara@x.example"]["phone"] == "+43158802000"
    assert b":+43158802000\r\n" in world.book()["Chiara"]
    assert "dora.wolf@x.example" in world.shop()
    assert "dora.wolf@x.example" in world.club()

    after = world.files()
    touched = {name for name in after if after[name] != before[name]}
    assert len(after) == len(before)
    assert len(touched) == 6  # two tables, and the cards of four people
    assert rest(world) == unmapped
    again = world.run()
    assert (again.failed, again.writes) == ({}, 0)
    assert world.files() == after


def test_a_file_of_cards_that_cannot_be_read_stops_its_folder_only_and_ends_nobody(
    world: ThreeFormats,
) -> None:
    before = world.files()
    (card,) = [f for f in world.book_folder.iterdir() if b"UID:d" in f.read_bytes()]
    sound = card.read_bytes()
    card.write_bytes(sound.decode().encode("utf-16"))
    run = world.run()
    assert set(run.failed) == {"extract.book"}
    assert "is UTF-16, not UTF-8" in str(run.failed["extract.book"])
    assert run.writes == 0
    card.write_bytes(sound)
    assert world.files() == before
    rest = world.run()
    assert (rest.failed, rest.writes) == ({}, 0)
