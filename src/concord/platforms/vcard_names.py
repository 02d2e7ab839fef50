"""The names that properties of a vCard have: RFC 2426, RFC 6350 and the registry that it opened."""

from __future__ import annotations

import difflib

from concord.platforms.vcard import is_native

__all__ = ["native_fault"]

_PROPERTIES = frozenset(
    """
    AGENT ANNIVERSARY BDAY BIRTHPLACE CALADRURI CALURI CATEGORIES CLASS CLIENTPIDMAP CONTACT-URI
    CREATED DEATHDATE DEATHPLACE EMAIL EXPERTISE FBURL FN GENDER GEO GRAMGENDER HOBBY IMPP INTEREST
    JSPROP KEY KIND LABEL LANG LANGUAGE LOGO MAILER MEMBER NAME NICKNAME NOTE ORG ORG-DIRECTORY
    PHOTO PRODID PROFILE PRONOUNS RELATED REV ROLE SOCIALPROFILE SORT-STRING SOUND SOURCE TEL TITLE
    TZ UID URL XML
    """.split()
)
_PARTS = (
    "N.family N.given N.additional N.prefix N.suffix ADR.pobox ADR.extended ADR.street "
    "ADR.locality ADR.region ADR.postal_code ADR.country ORG.name ORG.unit"
).split()


def native_fault(native: str) -> tuple[str, str] | None:
    """What is wrong with a native field's name, and the name meant; None for a name that may be.

    https://www.iana.org/assignments/vcard-elements
    """
    name = native.partition(".")[0].upper()
    if is_native(native) and (name in _PROPERTIES or name.startswith("X-") or "." in native):
        return None
    known = [*sorted(_PROPERTIES), *_PARTS]
    parts = [one for one in _PARTS if one.startswith(f"{name}.")]
    near = difflib.get_close_matches(native.upper(), [one.upper() for one in known], n=1)
    if native.upper() == name and parts:
        hint = f"name a part: {', '.join(parts)}"
    elif near:
        hint = f"did you mean `{next(one for one in known if one.upper() == near[0])}`?"
    else:
        hint = "a property of your own begins with X-"
    return f"no property of a vCard is called `{native}`", hint
