"""Values that the library behind them would refuse at run time: time zones, hours, countries."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from concord.platforms.declaration import PlatformDeclaration
from concord.settings import Settings

__all__ = ["ValueFault", "platform_values", "settings_values"]

ValueFault = tuple[tuple[Any, ...], str, str]
"""Keys from the top of the file, what is wrong, what to do."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_CONNECTION = re.compile(r"[\w#!()\-.:/\\]{1,250}")  # as Airflow's own check


def settings_values(settings: Settings) -> Iterator[ValueFault]:
    """Faults of `concord.yaml`."""
    yield from _zone(settings.timezone)
    yield from _country(settings.region)
    for name in ("record_key", "lake_connection"):
        yield from _connection((name,), getattr(settings, name))
    yield from _place_and_hour((), settings.lake, settings.nightly)
    yield from _cron(("maintenance",), settings.maintenance)
    yield from _cron(("freshness",), settings.freshness)
    for name, one in settings.environments.items():
        yield from _place_and_hour(("environments", name), one.lake, one.nightly)
        yield from _connection(("environments", name, "lake_connection"), one.lake_connection)


def platform_values(
    name: str, platform: PlatformDeclaration, kinds: Collection[str]
) -> Iterator[ValueFault]:
    """Faults of one platform's file.

    Args:
        kinds: those that are installed.
    """
    if not _NAME.fullmatch(name):
        said = "a platform's name is lower case letters, digits and _"
        yield (), said, "rename the file"
    if platform.kind not in kinds:
        hint = _meant(platform.kind, kinds) or f"installed: {', '.join(sorted(kinds))}"
        yield ("kind",), f"no kind of platform is called `{platform.kind}`", hint
    yield from _connection(("connection",), platform.connection)
    yield from _cron(("schedule",), platform.schedule)
    yield from _zone(platform.timezone)
    yield from _country(platform.region)


def _place_and_hour(
    above: tuple[Any, ...], lake: str | None, nightly: str | None
) -> Iterator[ValueFault]:
    if lake is not None and "%" in lake:
        yield (*above, "lake"), "a percent sign in the lake's name is read twice", "leave it out"
    yield from _cron((*above, "nightly"), nightly)


def _cron(place: tuple[Any, ...], expression: str | None) -> Iterator[ValueFault]:
    from croniter import croniter  # type: ignore[import-untyped] # what Airflow reads them with

    if expression is not None and not croniter.is_valid(expression):
        hint = "minute hour day month weekday, for example 0 2 * * *"
        yield place, f"`{place[-1]}` is no cron expression", hint


def _zone(name: str | None) -> Iterator[ValueFault]:
    from zoneinfo import available_timezones

    zones = available_timezones()
    if name is not None and name not in zones:
        hint = _meant(name, zones) or "write an IANA name such as Europe/Vienna"
        yield ("timezone",), f"there is no time zone `{name}`", hint


def _country(code: str | None) -> Iterator[ValueFault]:
    from phonenumbers import SUPPORTED_REGIONS

    if code is not None and code not in SUPPORTED_REGIONS:
        hint = "write the ISO 3166-1 code, for example AT"
        yield ("region",), f"`{code}` is no country with phone numbers", hint


def _connection(place: tuple[Any, ...], name: str | None) -> Iterator[ValueFault]:
    if name is not None and not _CONNECTION.fullmatch(name):
        said = f"`{place[-1]}` is no name that an Airflow connection can have"
        yield place, said, "write letters, digits, _ and -"


def _meant(name: str, known: Collection[str] | Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean `{close[0]}`?" if close else ""
