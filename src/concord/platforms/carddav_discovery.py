"""Where the address book is: from any address of the server to the one collection (RFC 6764)."""

from __future__ import annotations

from concord.errors import PlatformRefused
from concord.platforms.dav import Dav
from concord.platforms.dav_xml import CARD, DAV, Multistatus, multistatus, propfind

__all__ = ["discovered"]

_WELL_KNOWN = "/.well-known/carddav"


def discovered(dav: Dav) -> str:
    """The path of the address book.

    The connection's own address if it is one; else the only one in the home of whoever logs in.

    Raises:
        PlatformRefused: none was found, or several to choose from.
    """
    principal = None
    for start in dict.fromkeys((dav.start, _WELL_KNOWN, "/")):
        found = _asked(dav, start, "0", "D:resourcetype", "D:current-user-principal")
        for response in found.responses if found else ():
            kinds = response.props.get(f"{DAV}resourcetype")
            if kinds is not None and kinds.find(f"{CARD}addressbook") is not None:
                return _own(dav, response.href, start)
            principal = principal or response.href_in(f"{DAV}current-user-principal")
        if principal:
            break
    if principal is None:
        raise PlatformRefused(dav.platform, "offers no CardDAV at this address; set `path:`")
    return _only_book(dav, _home(dav, _own(dav, principal, dav.start)))


def _home(dav: Dav, principal: str) -> str:
    found = _asked(dav, principal, "0", "C:addressbook-home-set")
    for response in found.responses if found else ():
        home = response.href_in(f"{CARD}addressbook-home-set")
        if home:
            return _own(dav, home, principal)
    raise PlatformRefused(dav.platform, "the login has no address books; set `path:`")


def _only_book(dav: Dav, home: str) -> str:
    found = _asked(dav, home, "1", "D:resourcetype")
    books = []
    for response in found.responses if found else ():
        kinds = response.props.get(f"{DAV}resourcetype")
        if kinds is not None and kinds.find(f"{CARD}addressbook") is not None:
            books.append(_own(dav, response.href, home))
    if len(books) != 1:
        count = f"{len(books)} address books" if books else "no address book"
        raise PlatformRefused(dav.platform, f"the login has {count}; name one with `path:`")
    return books[0]


def _asked(dav: Dav, path: str, depth: str, *props: str) -> Multistatus | None:
    answer = dav.read("PROPFIND", path, propfind(*props), depth=depth)
    return multistatus(answer.body, dav.platform) if answer.status == 207 else None


def _own(dav: Dav, href: str, base: str) -> str:
    path = dav.path(href, base)
    if path is None:
        raise PlatformRefused(dav.platform, "its address book is on another host; name that host")
    return path if path.endswith("/") else f"{path}/"
