"""Opening a workspace of the toolkit, and the trackers that are named in it."""

from __future__ import annotations

import configparser
import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from vot.dataset import load_dataset
from vot.experiment import Experiment
from vot.experiment.referral import ReferralExperiment
from vot.stack import Stack, resolve_stack
from vot.tracker import Tracker, is_valid_identifier
from vot.utilities import normalize_path
from vot.workspace import Workspace

from hqtrack.cards import Card
from hqtrack.errors import CardError, DataError, did_you_mean
from hqtrack.evaluation.configuration import read_config
from hqtrack.evaluation.mends import mend_toolkit
from hqtrack.files import write_whole
from hqtrack.vot.settings import CHOICES, check_choice
from hqtrack.vot.workspace import tracker_entry, tracker_identifier
from hqtrack.zoo import card_names, load_card
from vot import ToolkitException

ABLATIONS_FILE = "ablations.ini"
"""File of a workspace with an entry for each variation of a card that was evaluated in it."""


def open_workspace(folder: Path) -> Workspace:
    """Open a workspace; nothing is downloaded.

    Raises:
        DataError: There is none, its dataset is missing, or its stack asks for more than masks.
    """
    config = read_config(folder)
    stack_file = resolve_stack(str(config.get("stack")), str(folder))
    if stack_file is None:
        raise DataError(
            f"{folder / 'config.yaml'} names the stack {config.get('stack')!r}, which does not exist"
        )
    _check_stack(Path(stack_file))
    mend_toolkit()  # before the first sequence is read
    sequences = Path(normalize_path(str(config.get("sequences", "sequences")), str(folder)))
    try:
        dataset = load_dataset(str(sequences))
    except (ToolkitException, OSError, ValueError, KeyError) as error:
        raise DataError(
            f"no dataset in {sequences} ({error}). Nothing is downloaded here: put it there or link it, or "
            f"let the toolkit fetch it with `vot evaluate FirstMask --workspace {folder}`"
        ) from error
    if len(dataset) == 0:
        raise DataError(f"the dataset in {sequences} has no sequences")
    try:
        workspace = _load_without_download(folder)
    except configparser.Error as error:
        raise DataError(f"a registry that {folder / 'config.yaml'} names cannot be read: {error}") from error
    except (ToolkitException, ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise DataError(f"{folder} cannot be opened: {error}") from error
    _refuse_what_is_not_masks(workspace.stack, folder)
    return workspace


def _check_stack(file: Path) -> None:
    """Check that a stack is plain YAML: the toolkit's reader runs code that a tag of Python names.

    Raises:
        DataError: It is not, or cannot be read.
    """
    try:
        yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        why = " ".join(str(error).split())
        raise DataError(f"the stack {file} cannot be read, or asks for code to be run: {why}") from error


def _load_without_download(folder: Path) -> Workspace:
    """Load a workspace whose dataset is known to be there, in whatever layout the stack likes.

    The toolkit takes a folder without `list.txt` for empty, and would fetch DAVIS again.
    """
    original = Workspace.download_dataset
    Workspace.download_dataset = staticmethod(lambda dataset, directory: None)
    try:
        return Workspace.load(str(folder))
    finally:
        Workspace.download_dataset = staticmethod(original)


def _refuse_what_is_not_masks(stack: Stack, folder: Path) -> None:
    """Refuse a stack in which nothing is left to do for a tracker of masks."""
    refused = [not_masks(experiment) for experiment in stack]
    if refused and all(refused):
        raise DataError(f"the stack {stack.name or folder} {refused[0]}")


def not_masks(experiment: Experiment) -> str:
    """Return why an experiment is not for trackers of masks; empty where it is."""
    if isinstance(experiment, ReferralExperiment):
        return (
            f"prompts by language (experiment {experiment.identifier!r} is of type referral); HQTrack is "
            "prompted by the masks of a frame"
        )
    for analysis in experiment.analyses:
        if type(analysis).__module__ == "vot.analysis.point":
            return (
                f"measures points ({type(analysis).__name__} of experiment {experiment.identifier!r}); "
                "HQTrack reports masks"
            )
    return ""


@dataclass(frozen=True)
class Named:
    """What somebody called a tracker on the command line, found out."""

    identifier: str
    """In the registry of the workspace."""
    card: Card | None
    """Of one of our systems, with the settings that were asked for; None for a tracker of the registry."""
    settings: tuple[tuple[str, str], ...] = ()
    card_name: str = ""
    """The variable that names the card to the tracker's process."""


def understand(name: str, registry: Sequence[str]) -> Named:
    """Find out what is meant by a tracker's name.

    Args:
        name: An identifier of the registry, a card's name or path, or `CARD:setting=value,…`.
        registry: Identifiers of the registry.

    Raises:
        CardError: The card, a setting or a value is not known.
        DataError: It is none of these.
    """
    card_name, colon, settings_text = name.partition(":")
    settings = tuple(_setting(text, name) for text in settings_text.split(",")) if colon else ()
    if not colon and name.split("@")[0] in registry:
        return Named(name, None)
    is_path = card_name.endswith(".toml")
    if not is_path and card_name not in card_names():
        known = [*registry, *card_names()]
        raise DataError(
            f"no tracker {name!r}: {did_you_mean(card_name, known)}it is neither in the workspace's registry "
            f"nor a model card. There are {', '.join(known)}; an ablation is CARD:setting=value,…"
        )
    of_card = {key: value for key, value in settings if key not in CHOICES}
    for key, value in settings:
        if key in CHOICES:
            check_choice(key, value)
    card = load_card(card_name, **of_card)
    identifier = tracker_identifier(re.sub(r"[^a-zA-Z0-9-]", "-", card.name))
    suffix = "".join(f"-{key}-{value}" for key, value in settings)
    suffix = re.sub(r"[^a-zA-Z0-9-_]", "_", suffix)
    return Named(
        identifier + suffix, card, settings, str(Path(card_name).resolve()) if is_path else card_name
    )


def renamed(text: str) -> Named:
    """Return one of our systems under a name of one's own, from `NAME=CARD` or `NAME=CARD:setting=value,…`.

    Raises:
        HQTrackError: The name, card or a setting is not allowed.
    """
    identifier, equals, card = text.partition("=")
    if not equals or not card:
        raise CardError(f"--as {text!r}: write NAME=CARD, such as MyTracker=hqtrack-light")
    if not is_valid_identifier(identifier):
        raise CardError(
            f"--as {text!r}: the toolkit takes letters, digits, _ and - in the name {identifier!r}"
        )
    return dataclasses.replace(understand(card, []), identifier=identifier)


def named_folder(text: str) -> tuple[str, Path]:
    """Return a tracker's name and a folder, from `NAME=FOLDER`.

    Raises:
        DataError: It is not written so, the name is not allowed, or there is no such folder.
    """
    name, equals, place = text.partition("=")
    if not equals or not is_valid_identifier(name):
        raise DataError(f"--results {text!r}: write NAME=FOLDER; a name has letters, digits, _ and -")
    if not Path(place).is_dir():
        raise DataError(f"--results {text!r}: {place or '(nothing)'} is no folder")
    return name, Path(place)


def stack_of(folder: Path) -> str:
    """Return the stack that a workspace names.

    Raises:
        DataError: It is no workspace.
    """
    return str(read_config(folder).get("stack"))


def _setting(text: str, name: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or not value.strip():
        raise CardError(f"{name!r}: {text!r} is no setting; write CARD:setting=value,setting=value")
    return key.strip(), value.strip()


def register(folder: Path, names: Sequence[Named], known: Sequence[str]) -> bool:
    """Make sure that the workspace's registry has every tracker, so that the toolkit's commands know them.

    Cards that it lacks, and variations of cards, get an entry in `ablations.ini` of the workspace.

    Args:
        folder: The workspace.
        names: What should be there.
        known: What is there.

    Returns:
        Whether something was written.
    """
    entries = {
        named.identifier: tracker_entry(
            named.identifier,
            f"{named.card.title}{_described(named.settings)}",
            named.card_name,
            dict(named.settings),
        )
        for named in names
        if named.card is not None and named.identifier not in known
    }
    if not entries:
        return False
    add_entries(folder, entries)
    return True


def add_entries(folder: Path, entries: Mapping[str, str]) -> None:
    """Write entries of trackers, by their identifiers, into a file of a workspace that its settings name.

    Raises:
        DataError: It is no workspace, or cannot be written.
    """
    file = folder / ABLATIONS_FILE
    text = file.read_text(encoding="utf-8") if file.exists() else "# Written by hqtrack; see vot --help.\n"
    write_atomically(file, text + "".join("\n" + entry for entry in entries.values()))
    config = read_config(folder)
    paths = config.get("registry") or []
    paths = [paths] if isinstance(paths, str) else list(paths) if isinstance(paths, list) else []
    if f"./{ABLATIONS_FILE}" not in paths:
        config["registry"] = [*paths, f"./{ABLATIONS_FILE}"]
        write_atomically(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False))


def _described(settings: Sequence[tuple[str, str]]) -> str:
    return "".join(f", {key} = {value}" for key, value in settings)


def write_atomically(file: Path, content: str | bytes) -> None:
    """Write a file at once, or not at all.

    Raises:
        DataError: It cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, content, shared=True)
    except OSError as error:
        raise DataError(f"cannot write {file}: {error}; free space or choose another folder") from error


def resolve(workspace: Workspace, identifiers: Sequence[str]) -> list[Tracker]:
    """Return the trackers of a workspace's registry, with its storage.

    Raises:
        DataError: One is not in the registry.
    """
    try:
        return list(
            workspace.registry.resolve(
                *identifiers, storage=workspace.storage.substorage("results"), skip_unknown=False
            )
        )
    except ToolkitException as error:
        raise DataError(f"{workspace.directory}: {error}") from error
