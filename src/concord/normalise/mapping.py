"""A platform's declared mapping, resolved: which native field meets which column, and how.

A *slot* is a native field that holds one element of a list column; a *list* field holds many. Every
other field holds the one value of its column. No step knows a native name: all of them are here.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from concord.contracts.document import Column, Contract
from concord.normalise.normalisers import NORMALISERS, VERSION, normaliser_of
from concord.platforms.declaration import FieldDeclaration, PlatformDeclaration

__all__ = ["ClaimMap", "Field", "FieldMap", "MappingFault", "mapping_faults", "mapping_of"]

_A_SLIP = 81  # loyalty is no slip of locality, at 80


@dataclass(frozen=True, slots=True)
class Field:
    """How one native field meets one canonical column.

    Attributes:
        column: canonical.
        native: the platform's own name.
        kind: ``scalar``, ``slot`` or ``list``.
        logical: the column's ODCS type.
        write: false when Concord only reads it.
        normalise: name of the normaliser, from the declaration or the column's role.
        type: a slot's element type; None when the platform does not say.
        preferred: whether a slot's element is the preferred one.
    """

    column: str
    native: str
    kind: str
    logical: str
    write: bool
    normalise: str
    type: str | None = None
    preferred: bool = False


@dataclass(frozen=True, slots=True)
class ClaimMap:
    """Where a platform states consent; see `concord.platforms.declaration.ClaimDeclaration`."""

    channel: str
    purpose: str
    address: str
    state: str
    at: str | None
    granted: str
    withdrawn: str
    write: bool


@dataclass(frozen=True, slots=True)
class FieldMap:
    """The whole mapping of one platform.

    Attributes:
        fields: in the contract's column order, then as declared.
        natives: every native field to read, sorted.
        region: ISO country that national phone numbers belong to; None reads international ones.
        digest: sha256; another one means that everything has to be read and normalised once more.
    """

    fields: tuple[Field, ...]
    claims: tuple[ClaimMap, ...]
    natives: tuple[str, ...]
    region: str | None
    digest: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The mapped canonical columns, in the contract's order."""
        return tuple(dict.fromkeys(field.column for field in self.fields))

    def of(self, column: str) -> tuple[Field, ...]:
        """The native fields of one canonical column."""
        return tuple(field for field in self.fields if field.column == column)

    def writes(self, column: str) -> bool:
        """Whether anything of *column* is ever written to the platform."""
        return any(field.write for field in self.of(column))


@dataclass(frozen=True, slots=True)
class MappingFault:
    """A field that cannot be mapped as declared.

    Attributes:
        place: keys from the top of the platform's file, for the line.
    """

    place: tuple[str | int, ...]
    what: str
    hint: str = ""


def mapping_of(
    declaration: PlatformDeclaration,
    contract: Contract,
    multivalued: frozenset[str] = frozenset(),
    region: str | None = None,
) -> FieldMap:
    """Resolve a declaration that `mapping_faults` found no fault in.

    Args:
        contract: of the platform's clean dataset; columns that it lacks are left out.
        multivalued: native fields that hold a list, from the connector's capabilities.
        region: the project's country, for a platform that declares none.
    """
    fields = tuple(
        _field(column, field, field.source in multivalued)
        for column in contract.columns
        for field in declaration.column(column.name)
    )
    claims = tuple(
        ClaimMap(
            channel=claim.channel,
            purpose=claim.purpose,
            address=claim.address,
            state=claim.state,
            at=claim.at,
            granted=claim.granted,
            withdrawn=claim.withdrawn,
            write=claim.write,
        )
        for claim in declaration.consents
    )
    stated = {name for claim in claims for name in (claim.address, claim.state, claim.at) if name}
    natives = tuple(sorted(stated | {field.native for field in fields}))
    here = declaration.region or region
    return FieldMap(fields, claims, natives, here, _digest(fields, claims, here))


def _field(column: Column, field: FieldDeclaration, many: bool) -> Field:
    kind = "scalar" if column.type != "array" else "list" if many else "slot"
    return Field(
        column=column.name,
        native=field.source,
        kind=kind,
        logical=column.type,
        write=field.write,
        normalise=field.normalise or normaliser_of(column.role, column.type),
        type=field.type.lower() if field.type else None,
        preferred=bool(field.preferred),
    )


def _digest(fields: tuple[Field, ...], claims: tuple[ClaimMap, ...], region: str | None) -> str:
    whole: dict[str, Any] = {
        "version": VERSION,
        "region": region,
        "fields": [asdict(field) for field in fields],
        "claims": [asdict(claim) for claim in claims],
    }
    text = json.dumps(whole, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def mapping_faults(
    declaration: PlatformDeclaration,
    contract: Contract,
    multivalued: frozenset[str] | None = None,
) -> list[MappingFault]:
    """What keeps a declaration from being mapped, as sentences for the file's author.

    Args:
        multivalued: None when the connector is not known; what hangs on it is then not looked at.
    """
    known = {column.name: column for column in contract.columns}
    found: list[MappingFault] = []
    for name, declared in declaration.fields.items():
        column = known.get(name)
        fields = declared if isinstance(declared, list) else [declared]
        if column is None:
            what = f"column `{name}` is not in {contract.name}"
            found.append(MappingFault(("fields", name), what, _slip_or_new(name, known)))
            continue
        for number, field in enumerate(fields):
            place = ("fields", name, number) if isinstance(declared, list) else ("fields", name)
            found += (MappingFault(place, *fault) for fault in _faults(column, field, multivalued))
    return found


def _faults(
    column: Column, field: FieldDeclaration, multivalued: frozenset[str] | None
) -> Iterator[tuple[str, str]]:
    if field.normalise is not None and field.normalise not in NORMALISERS:
        what = f"there is no normaliser `{field.normalise}`"
        yield what, _meant(field.normalise, dict.fromkeys(NORMALISERS))
    if column.type != "array" and field.slot:
        yield f"`type` and `preferred` belong to lists, `{column.name}` holds one value", ""
    if multivalued is None or field.source not in multivalued:
        return
    if column.type != "array":
        what = f"`{field.source}` holds many values, `{column.name}` holds one"
        yield what, "map it to a column that is an array in the contract"
    elif field.slot:
        what = f"`{field.source}` holds many values, each with its own type"
        yield what, "leave out `type` and `preferred`"


def _slip_or_new(name: str, known: Mapping[str, Any]) -> str:
    from rapidfuzz import fuzz, process

    near = process.extractOne(name, known.keys(), scorer=fuzz.ratio, score_cutoff=_A_SLIP)
    if near:
        return f"did you mean `{near[0]}`?"
    return "for a new column, add it to contracts/clean.odcs.yaml and contracts/golden.odcs.yaml"


def _meant(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"known: {', '.join(sorted(known))}"
