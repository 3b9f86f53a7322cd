"""The pages for users: short sentences, links that lead somewhere, and commands that exist."""

from __future__ import annotations

import contextlib
import re
import shlex
from pathlib import Path

import pytest
import typer

from hqtrack.cli import app

ROOT = Path(__file__).parents[1]
WORDS = 30
"""Words that a sentence has at most."""
COMMAND = typer.main.get_command(app)

AT_THE_TOP = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
PAGES = sorted([*ROOT.glob("docs/*.md"), *AT_THE_TOP])
ALL_PAGES = sorted([*PAGES, *ROOT.glob("lab/*.md"), ROOT / "models" / "README.md", ROOT / "CHANGELOG.md"])
CODE = re.compile(r"^(?: {4}[^\n]*\n|```[^\n]*\n.*?^```$)", re.DOTALL | re.MULTILINE)


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def sentences(markdown: str) -> list[str]:
    """Return the sentences of a page; an item of a list and a cell of a table are at least one each."""
    text = CODE.sub("\n\n", markdown)
    text = re.sub(r"`[^`]*`", "code", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"^\s*(?:[-*+#]+|\d+\.)\s", "\n\n", text, flags=re.MULTILINE)
    text = re.sub(r"^\|.*\|$", lambda row: row[0].replace("|", "\n\n"), text, flags=re.MULTILINE)
    parts = [re.split(r"[.!?](?=[\s*)]|$)|:\s*$", part) for part in re.split(r"\n\s*\n", text)]
    return [" ".join(sentence.split()) for part in parts for sentence in part if sentence.strip()]


def commands(markdown: str) -> list[list[str]]:
    """Return the words of every `hqtrack …` line in a page's code."""
    blocks = "".join(CODE.findall(markdown)).replace("\\\n", " ")
    lines = [line.strip() for line in blocks.splitlines()] + re.findall(r"`(hqtrack [^`]*)`", markdown)
    return [shlex.split(line, comments=True) for line in lines if line.startswith("hqtrack ")]


def unknown(words: list[str]) -> list[str]:
    """Return options of a command line that the real command lacks, and required ones that the line lacks."""
    command, rest = COMMAND, words[1:]
    while (names := getattr(command, "commands", None)) and rest and re.match(r"[a-z]", rest[0]):
        if rest[0] not in names:
            return [rest[0]]
        command, rest = names[rest[0]], rest[1:]
    if command.context_settings.get("ignore_unknown_options"):  # they are another program's
        return []
    params = command.get_params(typer.Context(command))
    options = {option for p in params for option in (*p.opts, *p.secondary_opts)} | {"--help"}
    given = [word.split("=")[0] for word in rest if re.match(r"--?[a-z]", word)]
    wanted = [p.opts for p in params if p.required and p.param_type_name == "option"]
    is_whole = given and not {"…", "--help"} & {*rest}
    lacking = [opts[0] for opts in wanted if is_whole and not {*opts} & {*given}]
    return [option for option in given if option not in options] + lacking


def anchors(page: Path) -> set[str]:
    text = CODE.sub("\n", page.read_text("utf-8"))
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_sentence_is_long(page: Path) -> None:
    long = [s for s in sentences(page.read_text("utf-8")) if len(s.split()) > WORDS]
    assert not long, "\n".join(long)


@pytest.mark.parametrize("page", ALL_PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    text = CODE.sub("\n", page.read_text("utf-8"))
    for target in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{name(page)}: {target}"
        assert not anchor or anchor in anchors(file), f"{name(page)}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_exist_with_their_options(page: Path) -> None:
    for words in commands(page.read_text("utf-8")):
        assert not unknown(words), f"{name(page)}: {' '.join(words)}: no {unknown(words)}"


def test_what_is_wrong_in_a_page_is_found() -> None:
    page = "One two. Three (see [four](five.md)).\n\n    hqtrack trak a.mp4\n    hqtrack vos DAVIS --bx 1\n"
    assert sentences(page) == ["One two", "Three (see four)"]
    assert [unknown(words) for words in commands(page)] == [["trak"], ["--bx", "--out"]]


def test_pages_hold_commands() -> None:
    assert sum(len(commands(page.read_text("utf-8"))) for page in PAGES) > 50


def test_commands_of_the_toolkit_exist_with_their_options(monkeypatch: pytest.MonkeyPatch) -> None:
    cli = pytest.importorskip("vot.utilities.cli")
    ran: list[str] = []
    for name in ("test", "initialize", "evaluate", "analysis", "report", "pack"):
        monkeypatch.setattr(cli, f"do_{name}", lambda arguments, name=name: ran.append(name), raising=False)
    lines = []
    for page in PAGES:
        text = page.read_text("utf-8")
        blocks = "".join(CODE.findall(text)).replace("\\\n", " ")
        lines += [line.strip() for line in blocks.splitlines()]
        lines += [" ".join(line.split()) for line in re.findall(r"`(vot [a-z][^`]*)`", text)]
    lines = [line.removeprefix("hqtrack ") for line in lines]  # `hqtrack vot` takes the same arguments
    given = [shlex.split(line, comments=True) for line in lines if re.match(r"vot [a-z]+ .", line)]
    monkeypatch.setattr(cli, "check_updates", lambda: (False, ""))  # it asks the network
    monkeypatch.setenv("VOT_REGISTRY", "")
    assert given
    for words in given:
        monkeypatch.setattr("sys.argv", [word for word in words if word != "…"])
        wanted = len(ran) + 1
        with contextlib.suppress(SystemExit):
            cli.main()
        assert len(ran) == wanted, " ".join(words)


@pytest.mark.slow
def test_the_table_of_stacks_is_what_the_command_prints() -> None:
    stacks = pytest.importorskip("hqtrack.evaluation.stacks")
    text = (ROOT / "docs" / "vot.md").read_text("utf-8")
    written = re.findall(r"^\| `([^`]+)` \| (.*?) \| (.*?) \| (.*?) \|$", text, re.MULTILINE)
    printed = []
    for facts in stacks.all_stacks():
        row = dict(zip(stacks.COLUMNS, stacks.row_of(facts), strict=True))
        ours = row["hqtrack evaluate"].replace("env_HQTRACK_REPORT = rectangle", "`REPORT = rectangle`")
        printed.append((row["stack"], row["truth"], row["vot evaluate"], ours))
    assert [line for line in written if line[0] in {row[0] for row in printed}] == printed
