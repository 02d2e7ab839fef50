"""What pages say inside sentences and tables: commands that exist, links that lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from pages import code_spans, console_lines, links

from concord.cli.main import assembled

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEMPLATE = ROOT / "src" / "concord" / "templates" / "project" / "README.md"

COMMANDS = [
    (page.relative_to(ROOT).as_posix(), line, code)
    for page in [*PAGES, TEMPLATE]
    for line, code in code_spans(page)
    if re.match(r"(\.venv/bin/)?concord ", code)
]
PLACEHOLDER = "placeholder"
TARGETS = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)


def fault(code: str) -> str | None:
    """What is wrong with a command as it stands in a sentence; None if it could be typed.

    A command without anything after it may be only its name; brackets are left out.
    """
    plain = re.sub(r"<[^>]*>", PLACEHOLDER, code).replace("[", "").replace("]", "")
    name, words = "concord", shlex.split(plain)[1:]
    command: Any = typer.main.get_command(assembled())
    try:
        while getattr(command, "commands", {}):
            context = command.context_class(command, info_name=name, allow_interspersed_args=False)
            words = command.make_parser(context).parse_args(words)[1]
            if not words or words[0] == PLACEHOLDER:
                return None
            name, *words = words
            command = command.commands[name]
        context = command.context_class(command, info_name=name)
        told, more, _ = command.make_parser(context).parse_args(list(words))
    except KeyError:
        return f"there is no command {name}"
    except Exception as error:
        return str(error)
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    missing = [
        one.name for one in arguments if one.required and not isinstance(told[one.name], str)
    ]
    if words and missing:
        return f"lacks {', '.join(missing)}"
    return f"does not take {' '.join(more)}" if more else None


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
    told = {
        code.split()[1] for page in PAGES for _, code in code_spans(page) if code[:5] == "make "
    }
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
            assert target.exists(), f"{page.name}: {link}"
            if section and target.suffix == ".md":
                assert section in _sections(target), f"{page.name}: {link}"
            if target != page:
                led.add(target)
    assert set(PAGES) - led == {ROOT / "README.md"}


def _sections(page: Path) -> set[str]:
    """The anchors that GitHub makes of headings."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


CONSOLE = [
    (page.relative_to(ROOT).as_posix(), line) for page in PAGES for line in console_lines(page)
]


@pytest.mark.parametrize(("page", "line"), CONSOLE, ids=[line for _, line in CONSOLE])
def test_a_command_for_containers_names_files_and_services_that_are_there(
    page: str, line: str
) -> None:
    words = shlex.split(line)
    named = [word for word in words if word.startswith("deploy/")]
    assert page == "docs/deployment.md"
    assert words[0] in ("docker", "python3", "cp")
    assert named
    made = {"deploy/connections.env"}  # by the command itself
    assert all((ROOT / name).exists() for name in set(named) - made)
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    verbs = {"up": 0, "ps": 0, "build": 0, "stop": 1, "exec": 1}
    if words[0] == "docker":
        assert words[:4] == ["docker", "compose", "-f", "deploy/compose.yaml"]
        verb, *rest = words[4:]
        assert verb in verbs
        assert len(services.keys() & set(rest)) >= verbs[verb]
