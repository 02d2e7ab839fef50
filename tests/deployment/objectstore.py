"""An S3 server in memory: moto's, and nothing but its S3.

``python objectstore.py PORT [forgetful]``; a forgetful one overwrites what it was asked not to, as
stores do that do not know If-None-Match.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple

from concord.airflow.processes import die_with_parent

__all__ = ["forgetful", "main"]


def forgetful(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """The same server, deaf to If-None-Match."""

    def served(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        environ.pop("HTTP_IF_NONE_MATCH", None)
        return application(environ, start)

    return served


def main() -> None:
    """Serve on 127.0.0.1 until the parent ends."""
    die_with_parent()
    port, *said = sys.argv[1:]
    application = create_backend_app("s3")
    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    WSGIRequestHandler.log_request = lambda *_: None  # type: ignore[method-assign, assignment]
    served = forgetful(application) if said == ["forgetful"] else application
    run_simple("127.0.0.1", int(port), served, threaded=True)


if __name__ == "__main__":
    main()
