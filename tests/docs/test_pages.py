"""What pages say inside sentences and tables: commands that exist, links that lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
from pages import code_spans, links

from concord.cli.main import assembled

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINKED_BY_NAME = {"docs/deployment.md"}

COMMANDS = [
    (page.relative_to(ROOT).as_posix(), line, code)
    for page in PAGES
    for line, code in code_spans(page)
    if re.match(r"(\.venv/bin/)?concord ", code)
]
TARGETS = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)


def fault(code: str) -> str | None:
    """What is wrong with a command as it stands in a sentence; None if it could be typed.

    A command without any argument may be only its name.
    """
    plain = re.sub(r"<[^>]*>", "placeholder", code)
    words = shlex.split(plain)[1:]
    command: Any = typer.main.get_command(assembled())
    name = "concord"
    while True:
        context = command.make_context(name, [], resilient_parsing=True)
        if not getattr(command, "commands", {}):
            return _misused(command, context, words)
        parser = command.make_parser(context)
        parser.allow_interspersed_args = False
        try:
            words = parser.parse_args(words)[1]
        except Exception as error:
            return str(error)
        if not words:
            return None
        name, *words = words
        if name not in command.commands:
            return f"there is no command {name}"
        command = command.commands[name]


def _misused(command: Any, context: Any, words: list[str]) -> str | None:
    try:
        command.make_parser(context).parse_args(list(words))
    except Exception as error:
        return str(error)
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = {name: one for one in command.params for name in one.opts if name.startswith("-")}
    given, rest = 0, list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            given += 1
        elif not options[word.split("=")[0]].is_flag and "=" not in word:
            rest.pop(0)
    needed = sum(one.nargs for one in arguments if one.required and one.nargs > 0)
    most = float("inf") if any(one.nargs < 0 for one in arguments) else len(arguments)
    if given > most or (words and given < needed):
        return f"{given} arguments where {needed} are needed"
    return None


@pytest.mark.parametrize(("page", "line", "code"), COMMANDS)
def test_a_command_in_a_sentence_can_be_typed(page: str, line: int, code: str) -> None:
    wrong = fault(code)
    assert wrong is None, f"{page}:{line}: `{code}`: {wrong}"


@pytest.mark.parametrize(
    "code",
    [
        "concord rnu",
        "concord dataset raed golden/contacts",
        "concord run --dryrun",
        "concord sync plan crm newsletter",
        "concord dataset diff golden/contacts",
        "concord --projekt x run",
    ],
)
def test_a_misspelt_one_is_found(code: str) -> None:
    assert fault(code) is not None


def test_a_target_of_make_in_a_sentence_is_there() -> None:
    told = {code.split()[1] for page in PAGES for _, code in code_spans(page) if code[:5] == "make "}
    assert told
    assert told <= set(TARGETS)


def test_links_lead_somewhere_and_every_page_is_linked() -> None:
    led: set[Path] = set()
    for page in PAGES:
        for link in links(page):
            if "://" in link:
                continue
            path, _, section = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            name = target.relative_to(ROOT).as_posix()
            assert target.exists() or name in LINKED_BY_NAME, f"{page.name}: {link}"
            if section and target.suffix == ".md":
                assert section in _sections(target), f"{page.name}: {link}"
            if target != page:
                led.add(target)
    assert set(PAGES) - led == {ROOT / "README.md"}


def _sections(page: Path) -> set[str]:
    """The anchors that GitHub makes of headings."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
