import hashlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hqtrack.cli import app
from hqtrack.cli.doctor import Finding
from hqtrack.zoo import card_names, known_weights
from zoo.file_server import FileServer, checkpoint, serving

CONTENT = checkpoint(seed=9, numbers=75_000)
doctor = importlib.import_module("hqtrack.cli.doctor")  # the package gives the command this name
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HQTRACK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(FileServer(CONTENT)) as state:
        yield state


@pytest.fixture
def card(tmp_path: Path, server: FileServer) -> Path:
    """A card whose weights lie on the server."""
    path = tmp_path / "mine.toml"
    path.write_text(
        f"""
        name = "mine"
        title = "a system of my own"
        network = "vmos"
        [weights]
        name = "mine"
        file = "model.pth"
        origin = "published"
        url = "{server.url}"
        page = "https://a.page"
        """
    )
    return path


@pytest.fixture
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the weights of this checkout."""
    monkeypatch.setattr("hqtrack.zoo.weights.models_folder", lambda: tmp_path)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows(result: Result) -> list[list[str]]:
    return [line.split("\t") for line in result.stdout.splitlines()]


@pytest.mark.usefixtures("nothing_here")
def test_every_card_is_listed_with_its_weights() -> None:
    header, *listed = rows(run("cards"))
    assert header == ["card", "system", "paradigm", "memory", "refiner", "weights"]
    assert [row[0] for row in listed] == card_names()
    hqtrack = next(row for row in listed if row[0] == "hqtrack")
    assert hqtrack[2:] == [
        "joint",
        "8 slots, gap 50, short 4",
        "hq-sam-vit-h",
        "missing: hqtrack weights pull hqtrack",
    ]


def test_the_list_shows_memory_settings_only_of_engines_that_have_them() -> None:
    memory = {row[0]: row[3] for row in rows(run("cards"))}
    assert memory["vmos"] == "8 slots, gap 50, short 4"
    assert memory["sam2.1-tiny"] == "of sam2"


def test_cards_are_listed_for_people_who_choose() -> None:
    header, *listed = rows(run("cards", "--about"))
    assert header == ["card", "parameters", "size", "licence", "published quality", "good for"]
    of = {row[0]: row for row in listed}
    assert list(of) == card_names()
    assert of["sam2.1-large"][1] == "224.4 M"
    assert of["sam2.1-large"][3:5] == ["Apache-2.0", "SA-V test J&F 79.5 (SAM 2's repository)"]
    assert of["vmos-light"][2].endswith(" MB")
    assert "no GPU" in of["vmos-light"][5]


@pytest.mark.usefixtures("nothing_here")
def test_weights_behind_a_form_are_not_pulled() -> None:
    state = {row[0]: row[-1] for row in rows(run("cards"))}
    assert state["sam3-tracker"] == "missing: by hand, from https://huggingface.co/facebook/sam3"


@pytest.mark.slow
def test_a_ready_card_is_timed_here(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('name = "mine"\ntitle = "Mine"\nbase = "vmos-light"\n')
    (row,) = rows(run("cards", mine, "--benchmark"))[1:]
    assert row[0] == "mine"
    assert float(row[-1]) > 0


def test_a_card_that_cannot_run_has_the_reason_for_its_speed(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('name = "mine"\ntitle = "Mine"\nbase = "vmos-light"\nengine = "sam9"\n')
    (row,) = rows(run("cards", mine, "--benchmark"))[1:]
    assert row[-1].startswith("engine = 'sam9': no such engine")


def test_a_card_is_shown_with_every_setting(card: Path, cache: Path) -> None:
    shown = dict(rows(run("cards", card)))
    assert shown["memory.long_term_slots"] == "8"
    assert shown["weights.page"] == "https://a.page"
    assert shown["sha256 mine"] == "unknown: recorded at the first download"
    assert shown["weights mine"] == "not installed"
    cache.mkdir()
    (cache / "model.pth").touch()
    assert dict(rows(run("cards", card)))["weights mine"] == str(cache / "model.pth")


def test_a_wrong_card_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("colour = 1")
    result = run("cards", tmp_path / "bad.toml")
    assert result.exit_code == 2
    assert "unknown key colour = 1" in result.stderr


@pytest.mark.usefixtures("nothing_here")
def test_every_weight_file_is_listed_with_the_cards_that_need_it() -> None:
    header, *listed = rows(run("weights", "list"))
    assert header == ["weights", "file", "licence", "cards", "state"]
    assert [row[0] for row in listed] == [each.label for each in known_weights()]
    vmos = next(row for row in listed if row[0] == "vmos")
    assert vmos[3:] == ["hqtrack, vmos, vmos-sam-h", "missing: hqtrack weights pull vmos"]


def test_pull_downloads_and_prints_the_path(card: Path, cache: Path) -> None:
    result = run("weights", "pull", card)
    assert result.exit_code == 0
    assert result.stdout.strip() == str(cache / "model.pth")
    assert (cache / "model.pth").read_bytes() == CONTENT


def test_pull_downloads_into_another_folder(card: Path, tmp_path: Path) -> None:
    assert run("weights", "pull", card, "--to", tmp_path / "there").exit_code == 0
    assert (tmp_path / "there" / "model.pth").read_bytes() == CONTENT


def test_pull_of_an_unknown_name_says_what_there_is() -> None:
    result = run("weights", "pull", "sam9")
    assert result.exit_code == 2
    assert "hq-sam-vit-h" in result.stderr


def test_verify_finds_damage_and_says_so_with_the_exit_code(card: Path, cache: Path) -> None:
    assert run("weights", "verify", card).exit_code == 1
    run("weights", "pull", card)
    good = run("weights", "verify", card)
    assert good.exit_code == 0
    assert rows(good)[1] == ["mine", f"good {SHA256[:12]}…", str(cache / "model.pth")]
    (cache / "model.pth").write_bytes(b"damaged")
    bad = run("weights", "verify", card)
    assert bad.exit_code == 1
    assert "damaged" in rows(bad)[1][1]


def test_verify_records_a_file_put_in_place_by_hand(card: Path, cache: Path) -> None:
    cache.mkdir()
    (cache / "model.pth").write_bytes(CONTENT)
    assert "recorded" in rows(run("weights", "verify", card))[1][1]
    assert "good" in rows(run("weights", "verify", card))[1][1]
    (cache / "model.pth").write_bytes(CONTENT[1:])
    assert run("weights", "verify", card).exit_code == 1


def test_path_is_for_scripts(card: Path, cache: Path) -> None:
    assert run("weights", "path").stdout.strip() == str(cache)
    missing = run("weights", "path", card)
    assert missing.exit_code == 1
    assert "hqtrack weights pull CARD.toml" in missing.stderr
    run("weights", "pull", card)
    assert run("weights", "path", card).stdout.strip() == str(cache / "model.pth")


@pytest.mark.parametrize(
    "command",
    [
        ("cards",),
        ("doctor",),
        ("weights", "list"),
        ("weights", "pull"),
        ("weights", "verify"),
        ("weights", "path"),
    ],
)
def test_help_has_examples(command: tuple[str, ...]) -> None:
    text = run(*command, "--help").stdout
    assert "Examples" in text
    assert " ".join(("hqtrack", *command)) in text


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    assert "┃" in run("cards").stdout


@pytest.mark.slow
def test_doctor_reports_every_part_and_fails_only_for_what_is_essential() -> None:
    result = run("doctor")
    header, *findings = rows(result)
    assert header == ["check", "status", "found", "what to do"]
    status = {row[0]: row[1] for row in findings}
    for essential in ("python", "hqtrack", "torch", "vot-toolkit", "cpu", "vot toolkit", "trax"):
        assert status[essential] == "good", findings
    assert {"weights vmos-light", "weights light-refiner", "cache", "video", "display"} <= status.keys()
    assert result.exit_code == int("broken" in status.values())
    assert all(row[3] for row in findings if row[1] != "good")


def test_doctor_says_how_to_mend_a_package() -> None:
    missing = doctor._version_finding("no-such-package", ">=1", lambda version, prereleases: True)
    assert (missing.status, missing.remedy) == ("broken", 'pip install "no-such-package>=1"')
    old = doctor._version_finding("numpy", ">=99", lambda version, prereleases: False)
    assert old.status == "broken"
    assert "but >=99 is needed" in old.found


def test_doctor_notices_a_tracker_process_that_dies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dying = tmp_path / "python"
    dying.write_text("#!/bin/sh\necho the tracker died >&2\nexit 3\n")
    dying.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dying))
    (finding,) = doctor.check_trax()
    assert finding.status == "broken"
    assert "the tracker died" in finding.found


def test_doctor_notices_a_tracker_process_that_hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(hanging))
    monkeypatch.setattr(doctor, "TRAX_SECONDS", 0.5)
    (finding,) = doctor.check_trax()
    assert finding.status == "broken"


def test_doctor_names_the_package_that_breaks_the_toolkit() -> None:
    error = "TypeError: dataclass_transform() takes 0 positional arguments but 1 was given"
    assert doctor._toolkit_remedy(error) == 'pip install "attributee<0.1.10"'
    assert "libgl1" in doctor._toolkit_remedy("ImportError: libGL.so.1: cannot open shared object file")


def test_doctor_survives_a_check_that_falls_over() -> None:
    def check_moon() -> Iterator[Finding]:
        raise ZeroDivisionError("full moon")
        yield

    (finding,) = doctor._guarded(check_moon)
    assert (finding.subject, finding.status) == ("moon", "broken")
    assert "full moon" in finding.found
