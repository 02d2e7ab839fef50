"""SIGKILL after each file of a batch of cards, and before one is in its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from killed import SIGKILLED, run_in_a_process
from mortal import FILE
from three_formats import ThreeFormats, other_lines

UNFINISHED = ".concord.unfinished"
RENAMED = ("gus@x.example", "bela@x.example")


@pytest.fixture
def world(tmp_path: Path) -> ThreeFormats:
    made = ThreeFormats(tmp_path / "project")
    first = made.run()
    assert (first.failed, first.writes) == ({}, 16)
    return made


def test_killed_after_each_file_nothing_is_lost_or_doubled_and_other_cards_are_untouched(
    world: ThreeFormats,
) -> None:
    shop, before = world.shop(), world.book()
    for email in RENAMED:
        shop[email]["last"] = "Neu"
    nobody = dict.fromkeys(shop["gus@x.example"])
    new = {"id": "S-Jan", "first": "Jan", "last": "Neu", "email": "jan@x.example"}
    shop["jan@x.example"] = {**nobody, **new}
    world.write_shop(list(shop.values()))
    unmapped = other_lines(before["Béla"])

    dies = {"of": "book", "what": FILE, "when": "before"}
    code, _, said = run_in_a_process(world, dies)
    assert code == SIGKILLED, said
    assert (world.book_folder / UNFINISHED).exists()
    assert world.book() == before

    kills = 0
    dies["when"] = "after"
    while True:
        code, points, said = run_in_a_process(world, dies)
        files = [one for one in points if (one.what, one.when) == (FILE, "after")]
        if not files:
            break
        assert code == SIGKILLED, said
        kills += 1
        assert kills <= 3
    assert code == 0, said
    assert kills == 3  # two cards written anew, one added, and none of them twice
    assert not (world.book_folder / UNFINISHED).exists()

    after = world.book()
    assert sorted(after) == sorted([*before, "Jan"])
    assert len(list(world.book_folder.glob("*.vcf"))) == len(after)
    assert {name for name in before if after[name] != before[name]} == {"Gus", "Béla"}
    assert other_lines(after["Béla"]) == unmapped
    assert all(b"N:Neu;" in after[name] for name in ("Gus", "Béla", "Jan"))
    receipts = world.ctx.open("sync/book/receipts").frame().collect()
    assert receipts["op_id"].is_unique().all()
    rest = world.run()
    assert (rest.failed, rest.writes) == ({}, 0)
    assert world.book() == after
