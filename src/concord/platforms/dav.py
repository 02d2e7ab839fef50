"""WebDAV over HTTP: one server, one login, and everything that can go wrong on the way.

The login goes to the declared origin (scheme, host, port) and nowhere else; redirects are followed
only there and only when nothing is written. Bodies, headers and addresses never reach an error.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self
from urllib.parse import urljoin, urlsplit

import httpx
import stamina

from concord.errors import (
    ConcordError,
    PlatformDown,
    PlatformRefused,
    Throttled,
    UnreadableInput,
)
from concord.platforms.connection import Connection, patience_s
from concord.platforms.dav_line import Line
from concord.platforms.effort import Effort

__all__ = ["Answer", "Dav", "start_of"]

_TRIES = 3
_LONGEST_PAUSE_S = 20.0
_LONGEST_STATED_S = 86_400.0
_PAUSE_UNTOLD_S = 5.0
_SILENCE_S = 20.0
_CONNECT_S = 10.0
_MOST_NAMED = 80  # letters of the server's own name
_MOST_REDIRECTS = 5
_LARGEST_ANSWER = 64 * 1024 * 1024
_DEFAULT_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_UNSENDABLE = (
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
    httpx.LocalProtocolError,
    UnicodeError,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said; its repr shows the status only."""

    status: int
    etag: str | None
    body: bytes
    server: str

    def __repr__(self) -> str:
        return f"Answer({self.status})"


def start_of(connection: Connection) -> str:
    """The URL that a connection names, https unless it says otherwise; empty when it names none."""
    host = connection.host
    if "://" not in host:
        scheme = connection.schema if connection.schema in _DEFAULT_PORTS else "https"
        host = f"{scheme}://{host}"
    try:
        parts = urlsplit(host)
        if connection.port and parts.port is None:
            parts = parts._replace(netloc=f"{parts.netloc}:{connection.port}")
        return parts._replace(path=parts.path or "/", query="", fragment="").geturl()
    except ValueError:
        return ""


class Dav:
    """Requests to one origin; counts them in `effort`."""

    def __init__(
        self, platform: str, connection: Connection, *, largest_answer: int = _LARGEST_ANSWER
    ) -> None:
        self.platform = platform
        self.effort = Effort()
        self._largest = largest_answer
        self._patience_s = patience_s(platform, connection)
        self._line = Line()
        self._start = start_of(connection)
        self._origin = _origin(self._start)
        if self._origin is None:
            raise PlatformRefused(platform, "the connection's host is no http or https address")
        for name in ("httpx", "httpcore"):  # they log addresses and headers
            logging.getLogger(name).setLevel(logging.WARNING)
        login = (connection.login, connection.password) if connection.login else None
        secure = self._origin[0] == "https"
        self._client = httpx.Client(
            auth=login,
            verify=secure,  # certificates take 0.1 s to load, and this client leaves no origin
            timeout=httpx.Timeout(
                min(_SILENCE_S, self._patience_s), connect=min(_CONNECT_S, self._patience_s)
            ),
            follow_redirects=False,
            trust_env=secure,  # a proxy would see a login sent in plain text
            headers={"Accept-Encoding": "identity", "User-Agent": "concord"},
        )

    @property
    def calls(self) -> int:
        """Requests so far."""
        return self.effort.calls

    @property
    def start(self) -> str:
        """The path that the connection names, ``/`` when it names none."""
        return urlsplit(self._start).path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def path(self, href: str, base: str = "/") -> str | None:
        """The path of an address that the server gave; None when it is on another origin."""
        try:
            url = urljoin(urljoin(self._start, base), href)
            return urlsplit(url).path if _origin(url) == self._origin else None
        except ValueError:
            return None

    def read(
        self, method: str, path: str, body: bytes | None = None, *, depth: str | None = None
    ) -> Answer:
        """Send a request that changes nothing; follows redirects within the origin."""
        headers = {"Content-Type": "application/xml; charset=utf-8"} if body else {}
        if depth is not None:
            headers["Depth"] = depth
        for _ in range(_MOST_REDIRECTS):
            answer, location = self._tried(method, path, body, headers, reading=True)
            if answer.status not in _REDIRECTS:
                return answer
            target = self.path(location or "", path) if location else None
            if target is None:
                raise PlatformRefused(
                    self.platform,
                    "the server sends us to another host; the login is not sent there, "
                    "name that host in the connection if it is right",
                    str(answer.status),
                )
            path = target
        raise PlatformRefused(self.platform, "the server redirects in circles")

    def write(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """Send a request that changes something; sent again only if it cannot have arrived."""
        answer, _ = self._tried(method, path, body, headers, reading=False)
        if answer.status in _REDIRECTS:
            raise PlatformRefused(self.platform, "the server redirects a write", str(answer.status))
        return answer

    def _tried(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        reading: bool,
    ) -> tuple[Answer, str | None]:
        asked_at: float | None = None
        for attempt in stamina.retry_context(
            on=_again_after(reading=reading),
            attempts=_TRIES,
            timeout=self._patience_s,
            wait_initial=0.2,
        ):
            if attempt.num > 1:
                self.effort.retries += 1
                self.effort.throttled_s += time.monotonic() - asked_at if asked_at else 0.0
            with attempt:
                asked_at = None
                try:
                    return self._once(method, path, body, headers)
                except Throttled:
                    asked_at = time.monotonic()
                    raise
        raise AssertionError("unreachable")

    def _once(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[Answer, str | None]:
        self.effort.calls += 1
        url = f"{self._start.partition('://')[0]}://{urlsplit(self._start).netloc}{path}"
        watched = {"trace": self._line.trace}
        failure: ConcordError | None = None
        try:
            with (
                self._line.within(self._patience_s),
                self._client.stream(
                    method, url, content=body, headers=headers, extensions=watched
                ) as response,
            ):
                answer = Answer(
                    response.status_code,
                    response.headers.get("ETag"),
                    self._body(response),
                    response.headers.get("Server", "")[:_MOST_NAMED],
                )
                location = response.headers.get("Location")
                pause = _pause_s(response.headers.get("Retry-After"))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            failure = _translated(self.platform, error)
        if self._line.late:  # also where nothing failed: a body may end with the connection
            what = f"an answer took more than {self._patience_s:g} s"
            raise PlatformDown(self.platform, what, "timeout")
        if failure is not None:
            raise failure
        self._insist(answer, pause)
        return answer, location

    def _body(self, response: httpx.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise PlatformRefused(self.platform, "the server compresses what we asked for plain")
        body = bytearray()
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > self._largest:
                raise UnreadableInput(
                    self.platform, f"an answer of more than {self._largest // 1024} KiB"
                )
        self.effort.bytes_in += len(body)
        return bytes(body)

    def _insist(self, answer: Answer, pause: float | None) -> None:
        status = answer.status
        if status == 429 or (status == 503 and pause is not None):
            raise Throttled(self.platform, _PAUSE_UNTOLD_S if pause is None else pause)
        if status >= 500 and status not in (501, 505, 507):
            raise PlatformDown(self.platform, "the server failed", str(status))
        if status in (401, 407):
            raise PlatformRefused(
                self.platform, "the login was refused; check the connection", str(status)
            )


def _origin(url: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None


def _again_after(*, reading: bool) -> Callable[[Exception], bool | float]:
    def hook(error: Exception) -> bool | float:
        if isinstance(error, Throttled):
            return error.retry_after_s if error.retry_after_s <= _LONGEST_PAUSE_S else False
        return isinstance(error, PlatformDown) and (reading or error.code == "connect")

    return hook


def _pause_s(stated: str | None) -> float | None:
    if stated is None:
        return None
    if stated.strip().isascii() and stated.strip().isdigit():
        return min(float(stated), _LONGEST_STATED_S)
    try:
        until = parsedate_to_datetime(stated)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    left = (until - datetime.now(UTC)).total_seconds()
    return min(max(0.0, left), _LONGEST_STATED_S)


def _translated(platform: str, error: Exception) -> ConcordError:
    if _distrusted(error):
        return PlatformRefused(platform, "its certificate is not trusted", "tls")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return PlatformDown(platform, "cannot be reached", "connect")
    if isinstance(error, httpx.TimeoutException):
        return PlatformDown(platform, "did not answer in time", "timeout")
    if isinstance(error, _UNSENDABLE):
        return PlatformRefused(platform, "the address, the login or an ETag cannot be sent")
    return PlatformDown(platform, "half an answer, or none", type(error).__name__)


def _distrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
