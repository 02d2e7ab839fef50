"""Write deploy/.env once: .env.example with a secret of its own in place of every empty value."""

from __future__ import annotations

import base64
import os
import secrets
import sys
from pathlib import Path

HERE = Path(__file__).parent


def filled(line: str) -> str:
    """The line; an empty value becomes a secret."""
    name, sign, value = line.partition("=")
    if not sign or value or line.startswith("#"):
        return line
    if name == "FERNET_KEY":
        return f"{name}={base64.urlsafe_b64encode(os.urandom(32)).decode()}"
    return f"{name}={secrets.token_hex(32)}"


def main(target: Path) -> None:
    """Write *target*, readable by its owner only; one that is there is left alone."""
    text = (HERE / ".env.example").read_text(encoding="utf-8")
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sys.exit(f"{target.name} is there already; its secrets are in use, so it is left alone")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write("\n".join(filled(line) for line in text.splitlines()) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / ".env")
