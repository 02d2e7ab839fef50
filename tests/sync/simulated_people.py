"""Stand-ins for what lies between raw and golden: gate, links, survivorship, consent.

Small, over plain values; only so much of them as sync's own rules need to be tried against.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from simulated_platform import BAD, MARKETING, SCALARS, canon, canonical

from concord.privacy.consent import Claim, fold_claims
from concord.sync.cells import Cell, Stamp, cells_of
from concord.sync.last_good import last_good
from concord.sync.values import load
from concord.sync.view import Person

Row = dict[str, Any]
PREFER = "ABC"


def clean_rows(raw: Mapping[str, Row], before: Mapping[str, Row], columns: Iterable[str]) -> dict:
    """The newest row if it passes, else the last good one."""
    rows = {}
    columns = list(columns)
    for record_id, row in raw.items():
        if row["deleted_at"] is not None:
            continue
        new = {
            "record_id": record_id,
            **canonical(load(row["fields"]), columns),
            "_cells": [cell for cell in row["cells"] if cell["claim"] is None],
            "_person_id": row["person_id"],
            "_held": [],
        }
        if all(new[column] != BAD for column in columns):
            rows[record_id] = new
        elif record_id in before:
            good = {**dict.fromkeys(columns), **before[record_id]}
            rows[record_id] = last_good(good, new, columns=[*columns, "emails"], lists=["emails"])
    return rows


def consents(raw: Iterable[tuple[str, Row]], known: Mapping[str, Row], now: datetime) -> dict:
    """Consents by address."""
    claims = [
        Claim(
            record_id=row["record_id"],
            platform=platform,
            channel="email",
            purpose="marketing",
            claim=claim.claim,
            claimed_at=claim.claimed_at,
            since=claim.since,
            address=cell.element,
            address_since=cell.since,
            address_removed=cell.removed,
        )
        for platform, row in raw
        if row["deleted_at"] is None
        for cells in [cells_of(row["cells"])]
        for claim in [cells.get((MARKETING, None))]
        if claim is not None and not claim.ours
        for cell in cells.values()
        if cell.column == "emails"
    ]
    changed, _ = fold_claims(claims, known, now=now, consent_id=lambda _c, address, _p: address)
    return {**known, **changed}


def status(known: Mapping[str, Row], address: str) -> str | None:
    row = known.get(address)
    return row["status"] if row is not None else None


class Links:
    """Who is who: links stay, joins go through an alias, the older id survives."""

    def __init__(self, link: Mapping[str, str], alias: Mapping[str, str]) -> None:
        self.link = dict(link)
        self.alias = dict(alias)

    def root(self, person: str) -> str:
        while person in self.alias:
            person = self.alias[person]
        return person

    def resolve(self, rows: Mapping[str, Row]) -> Links:
        new = Links(self.link, self.alias)
        first_linked = set(self.link.values())
        for record_id, row in sorted(rows.items()):
            if record_id not in new.link and row["_person_id"]:
                new.link[record_id] = row["_person_id"]
        for record_id in sorted(rows, key=lambda one: (one not in new.link, one)):
            hits = new._hits(record_id, rows)
            if record_id not in new.link:
                new.link[record_id] = hits[0] if hits else f"P-{record_id}"
            for hit in hits:
                pair = (new.root(new.link[record_id]), new.root(hit))
                older, younger = sorted(pair, key=lambda one: (one not in first_linked, one))
                if older != younger:
                    new.alias[younger] = older
        return new

    def _hits(self, record_id: str, rows: Mapping[str, Row]) -> list[str]:
        row = rows[record_id]
        mails = {one["value"] for one in row["emails"] or ()}
        return sorted(
            {
                self.root(self.link[other])
                for other, its in rows.items()
                if other in self.link
                and other != record_id
                and mails & {one["value"] for one in its["emails"] or ()}
                and canon(its["name"]) == canon(row["name"])
            }
        )


def survive(
    person_id: str, records: list[Row], columns: Iterable[str], addresses: Mapping[str, Row]
) -> Person:
    """One living person's golden row."""
    values: Row = {}
    stamps: dict[tuple[str, str | None], Stamp] = {}
    told = [(row, cells_of(row["_cells"])) for row in records]
    for column in columns:
        found = [
            (cells[column, None], row["record_id"], row[column])
            for row, cells in told
            if (column, None) in cells
        ]
        best = _scalar(found)
        values[column] = best[2] if best else None
        if best:
            stamps[column, None] = best[0].stamp
    order, last = _elements(told)
    stamps.update({("emails", key): stamp for key, stamp in last.items()})
    values["emails"] = [
        {"value": key, "type": None, "preferred": place == 0} for place, key in enumerate(order)
    ] or None
    said = [status(addresses, key) for key in order]
    flag = False if "withdrawn" in said else True if said and said[0] == "granted" else None
    return Person(person_id, True, values, stamps, {MARKETING: flag})


def _rank(cell: Cell) -> int:
    return -PREFER.index(cell.source)


Evidence = tuple[Cell, str, Any]


def _scalar(cells: list[Evidence]) -> Evidence | None:
    edits = [one for one in cells if one[0].kind == "edit"]
    found = [one for one in cells if one[0].kind == "found" and one[2] is not None]
    best = max(
        edits, key=lambda one: (one[0].at, not one[0].ours, _rank(one[0]), one[1]), default=None
    )
    if best is not None:
        later = [one for one in found if one[0].at > best[0].at]
        if best[2] is not None or not later:
            return best
        found = later
    return max(
        found,
        key=lambda one: (
            _rank(one[0]),
            (one[0].dated_at or one[0].at).timestamp(),
            not one[0].ours,
            one[1],
        ),
        default=None,
    )


def _elements(told: list[tuple[Row, Mapping]]) -> tuple[list[str], dict[str, Stamp]]:
    """Living elements in golden's order, and the last word on every element."""
    seen: dict[str, list[tuple[Cell, str]]] = {}
    for row, cells in told:
        for cell in cells.values():
            if cell.column == "emails" and cell.element is not None:
                seen.setdefault(cell.element, []).append((cell, row["record_id"]))
    last: dict[str, Stamp] = {}
    alive = []
    for key, cells in seen.items():
        there = [one for one in cells if not one[0].removed]
        gone = [one for one in cells if one[0].removed]
        best = max(
            there, key=lambda one: (one[0].at, not one[0].ours, _rank(one[0]), one[1]), default=None
        )
        worst = max(gone, key=lambda one: (one[0].at, one[1]), default=None)
        if best is not None and (worst is None or best[0].at >= worst[0].at):
            alive.append(key)
            last[key] = best[0].stamp
        elif worst is not None:
            last[key] = worst[0].stamp

    def place(key: str) -> tuple[int, float, float, str]:
        stamp = last[key]
        at = stamp.at.timestamp()
        if stamp.kind == "edit":
            return 0, -at, 0, key
        return 1, PREFER.index(stamp.source), at, key

    return sorted(alive, key=place), last


__all__ = ["SCALARS", "Links", "clean_rows", "consents", "status", "survive"]
