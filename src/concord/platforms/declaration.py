"""What `assets/platforms/<name>.yaml` says; no input or output, no connector is imported here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from concord.platforms.window import Window

__all__ = [
    "CardDavOptions",
    "ClaimDeclaration",
    "FieldDeclaration",
    "FilesOptions",
    "PlatformDeclaration",
    "SqlOptions",
    "option_keys",
]

Text = Annotated[str, Field(min_length=1)]

_ENDINGS = {"parquet": "parquet", "pq": "parquet", "avro": "avro", "vcf": "vcard", "vcard": "vcard"}
"""What the ending of a file's name says of its format; any other is CSV's."""


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldDeclaration(_Declared):
    """How one canonical column (or one element of a list) meets one native field.

    Attributes:
        source: the native field (`from:` in the file).
        write: false when Concord only ever reads it.
        normalise: a normaliser in place of the one that the column's role brings.
        type: the element's type, where one native field is one element of a list.
        preferred: whether that element is the preferred one.
    """

    source: Text = Field(alias="from")
    write: bool = True
    normalise: str | None = None
    type: str | None = None
    preferred: bool | None = None

    @property
    def slot(self) -> bool:
        """Whether the native field holds exactly one element of a list."""
        return self.type is not None or self.preferred is not None


class ClaimDeclaration(_Declared):
    """Where a platform states consent, for one channel and purpose.

    Attributes:
        channel: as in the contract's consent flag, for example ``email``.
        purpose: as in `lineage/processing.yaml`.
        address: the native field that holds the address.
        state: the native field that holds the state.
        at: the native field that dates the state; None when the platform does not date it.
        granted: native text of *state* that means consent was given.
        withdrawn: native text of *state* that means it was withdrawn; anything else is no claim.
        write: false when Concord never writes the state back.
    """

    channel: Text
    purpose: Text
    address: Text
    state: Text
    at: str | None = None
    granted: Text
    withdrawn: Text
    write: bool = True


class SqlOptions(_Declared):
    """Kind *sql*: one table of a PostgreSQL database; columns and table are names, not SQL."""

    table: Text
    id: Text
    updated_at: Text
    deleted_at: str | None = None
    external_id: str | None = None
    overlap_s: int = Field(default=300, ge=0)


class FilesOptions(_Declared):
    """Kind *files*: files in one folder; the newest matching file is the full listing.

    Attributes:
        path: folder, relative to the connection's path; to the project where there is none.
        pattern: file names that are read.
        format: None takes what the pattern's ending says, else CSV.
        id: header of the column that holds the record's id; of cards, the property (``UID``).
        updated_at: header of the column that dates the row, if any.
        external_id: header of the column that takes our person_id, if any.
        delimiter: detected and shown when None.
        encoding: detected and shown when None.
    """

    path: str = "."
    pattern: str = "*.csv"
    format: Literal["csv", "parquet", "avro", "vcard"] | None = None
    id: Text
    updated_at: str | None = None
    external_id: str | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _a_card_has_an_id_of_its_own(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "id" in data:
            return data
        ending = str(data.get("pattern", "")).rpartition(".")[2].lower()
        cards = data.get("format", _ENDINGS.get(ending)) == "vcard"
        return {**data, "id": "UID"} if cards else data

    @property
    def written_as(self) -> str:
        """The format of its files."""
        ending = self.pattern.rpartition(".")[2].lower()
        return self.format or _ENDINGS.get(ending, "csv")


class CardDavOptions(_Declared):
    """Kind *carddav*: one address book; native fields are vCard properties.

    Multi-valued: ``EMAIL``, ``TEL``. Components: ``N.family``, ``N.given``, ``ADR.street``,
    ``ADR.locality``, ``ADR.region``, ``ADR.postal_code``, ``ADR.country``; any other name is a
    property with one text value (``FN``, ``ORG``, ``TITLE``, ``BDAY``, ``LANG``, ``X-…``).

    Attributes:
        path: path of the address book below the connection's host; discovered when None.
    """

    path: str | None = None


_WRITERS = {"sql": 4, "carddav": 4}
"""Writers at once where nothing is declared; 1 for every other kind."""

_OPTIONS: dict[str, type[_Declared]] = {
    "sql": SqlOptions,
    "files": FilesOptions,
    "carddav": CardDavOptions,
}


def option_keys(kind: str) -> tuple[str, ...]:
    """The keys that only this kind of platform has; empty for kinds of other packages."""
    model = _OPTIONS.get(kind)
    return tuple(model.model_fields) if model else ()


_Fields = FieldDeclaration | list[FieldDeclaration]


class PlatformDeclaration(_Declared):
    """One platform of the project.

    Attributes:
        options: what only this kind of platform has (`SqlOptions`, …).
        connection: Airflow connection that holds address and secrets; None for a folder of the
            project itself.
        unique: native fields of which the platform refuses two records with one value.
        schedule: cron expression of the producer Dag, in *timezone*.
        timezone: of its schedule and windows; None takes the project's.
        window: when it may be written to; empty for always. Withdrawals do not wait.
        purpose: what its people are sent there for; empty only where nobody is sent.
        audience: ``existing`` or an SQL condition on golden/contacts.
        delivery: None leaves it to the environment, whose default is ``approve``.
        max_lost_share: share of known records a full listing may lack; at least 10 may always be.
        max_reading_s: seconds one reading may take; the rest of a slower one is not waited for.
        max_concurrency: most tasks that write to it at once; None leaves it to the kind.
        region: ISO country that national phone numbers belong to; None takes the project's.
        fields: canonical column to native field(s).
    """

    kind: Text
    options: Any = None
    connection: Annotated[Text | None, Field(validate_default=True)] = None
    unique: tuple[str, ...] = ()
    schedule: str = "0 2 * * *"
    timezone: str | None = None
    direction: Literal["in", "out", "both"] = "both"
    window: tuple[Window, ...] = ()
    purpose: Annotated[str, Field(validate_default=True)] = ""
    audience: Text = "existing"
    delivery: Literal["off", "approve", "auto"] | None = None
    max_lost_share: float = Field(default=0.05, ge=0, le=1)
    max_reading_s: int = Field(default=3600, ge=1)
    max_concurrency: int | None = Field(default=None, ge=1, le=8)
    region: str | None = Field(default=None, pattern="^[A-Z]{2}$")
    fields: dict[str, _Fields]
    consents: tuple[ClaimDeclaration, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _sort_out_options(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "options" in data:
            return data
        common = {name for name in cls.model_fields if name != "options"}
        rest = {key: value for key, value in data.items() if key not in common}
        model = _OPTIONS.get(str(data.get("kind")))
        if model is None:
            return {**{k: v for k, v in data.items() if k in common}, "options": rest}
        own = {key: value for key, value in rest.items() if key in model.model_fields}
        unknown = {key: value for key, value in rest.items() if key not in own}
        known = {key: value for key, value in data.items() if key in common}
        return {**known, **unknown, "options": own}

    @field_validator("options", mode="before")
    @classmethod
    def _options_of_the_kind(cls, options: Any, info: ValidationInfo) -> Any:
        model = _OPTIONS.get(str(info.data.get("kind")))
        return model.model_validate(options) if model and isinstance(options, dict) else options

    @field_validator("connection")
    @classmethod
    def _only_a_folder_of_the_project_needs_none(
        cls, connection: str | None, info: ValidationInfo
    ) -> str | None:
        options = info.data.get("options")
        if connection is not None:
            return connection
        if not isinstance(options, FilesOptions):
            raise ValueError("is missing: name the Airflow connection with address and secrets")
        if options.path == FilesOptions.model_fields["path"].default:
            raise ValueError("is missing: name one, or a folder of the project in `path`")
        return None

    @field_validator("purpose")
    @classmethod
    def _nobody_is_sent_for_nothing(cls, purpose: str, info: ValidationInfo) -> str:
        if not purpose and info.data.get("direction") != "in":
            raise ValueError("is missing: say what people are sent there for")
        return purpose

    @field_validator("window", mode="before")
    @classmethod
    def _one_window_is_a_list_too(cls, window: Any) -> Any:
        return [window] if isinstance(window, dict) else window

    @field_validator("max_concurrency")
    @classmethod
    def _a_file_has_one_writer(cls, most: int | None, info: ValidationInfo) -> int | None:
        if most is not None and most > 1 and info.data.get("kind") == "files":
            raise ValueError("is at most 1 for files: every write makes the whole file anew")
        return most

    @field_validator("fields", mode="before")
    @classmethod
    def _spell_out_fields(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        return {column: _spelt_out(native) for column, native in fields.items()}

    @property
    def writers(self) -> int:
        """Most tasks that write to it at once."""
        return self.max_concurrency or _WRITERS.get(self.kind, 1)

    def column(self, name: str) -> tuple[FieldDeclaration, ...]:
        """The native fields of one canonical column; empty when it is not mapped."""
        declared = self.fields.get(name, [])
        return tuple(declared) if isinstance(declared, list) else (declared,)


def _spelt_out(native: Any) -> Any:
    if isinstance(native, str):
        return {"from": native}
    if isinstance(native, list):
        return [_spelt_out(one) for one in native]
    return native
