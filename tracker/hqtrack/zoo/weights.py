"""Where weight files are, and whether they are what they should be."""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from hqtrack.cards import Weights
from hqtrack.errors import InputError, WeightsError
from hqtrack.files import write_whole
from hqtrack.installed import models_folder
from hqtrack.zoo.catalogue import known_weights

CACHE_VARIABLE = "HQTRACK_CACHE"
"""Environment variable that names another folder for downloaded weights."""

CHECKED_FILES = "checked.json"
"""File in the cache folder with the SHA-256 of files by path, size and time, so that none is read twice."""

_BLOCK = 1 << 20


def cache_folder() -> Path:
    """Return the folder of downloaded weights: `$HQTRACK_CACHE`, or one in the user's cache.

    For a user without a home folder it is that of the embedded weights.

    Raises:
        InputError: The variable names the home of a user that there is not.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if not chosen:
        try:
            folder = platformdirs.user_cache_path("hqtrack")
        except RuntimeError:  # neither HOME nor the user's id leads to one; older versions return "~"
            folder = Path("~")
        return (folder if folder.is_absolute() else models_folder()) / "weights"
    try:
        return Path(chosen).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"{CACHE_VARIABLE} = {chosen}: there is no such user; name another folder"
        ) from error


def places(weights: Weights) -> list[Path]:
    """Return the paths at which weights are looked for, in that order.

    A card of one's own may name a file by its full path. A download never goes there: a card that came from
    elsewhere could name any file of the user's.
    """
    if Path(weights.file).is_absolute():
        return [Path(weights.file), cached(weights)]
    return [models_folder() / "weights" / weights.file, cached(weights)]


def cached(weights: Weights) -> Path:
    """Return the path in the user's cache to which weights are downloaded: a plain name, without folders."""
    return cache_folder() / Path(weights.file).name


def locate(weights: Weights) -> Path | None:
    """Return the path of weights, or None."""
    return next((path for path in places(weights) if path.is_file()), None)


def find_weights(weights: Weights, explicit: Path | None = None) -> Path:
    """Find a weight file: an explicit path, then `models/weights`, then the user's cache.

    Raises:
        WeightsError: It is in none of them; the message names how to get it and where to put it.
    """
    if explicit is not None:
        if explicit.is_file():
            return explicit
        raise WeightsError(
            f"no weight file at {explicit}; give the path of a file, or leave it out to use "
            f"the weights named {weights.label}"
        )
    path = locate(weights)
    if path is not None:
        return path
    raise WeightsError(f"the weights {weights.label} ({weights.file}) are missing. {remedy(weights)}")


def checked_weights(weights: Weights, explicit: Path | None = None) -> Path:
    """Find a weight file as `find_weights` does, and compare it with the SHA-256 that is known of it.

    A file is read for this only once, as long as its size and time stay. An explicit one is taken as it is.

    Raises:
        WeightsError: It is missing, or it is not the file that the card describes.
    """
    path = find_weights(weights, explicit)
    if explicit is None:
        check_sha256(weights, path)
    return path


def remedy(weights: Weights) -> str:
    """Describe how a person gets weights that are missing."""
    put = _put(weights)
    if weights.origin == "embedded":
        return f"They come with the package: reinstall hqtrack, or {put}."
    if weights.origin == "to-be-trained":
        return f"Nobody published them: train them with `hqtrack train`, then {put}."
    if weights.gated:
        return (
            f"They are behind a form: sign in at {weights.page}, accept the licence, run `hf auth login` (it "
            f"comes with the extra sam2), then: hqtrack weights pull {weights.label}. Or download the file "
            f"there, then: hqtrack weights add FILE --name {weights.label}."
        )
    if weights.url is None:
        return f"There is no direct download: get them from {weights.page}, then {put}."
    return f"Download them with: {pull_command(weights)} ({by_hand(weights)})."


def pull_command(weights: Weights, option: str = "") -> str:
    """Return the command that downloads weights; those of a card of one's own are known by its path alone."""
    if weights in known_weights():
        return f"hqtrack weights pull {weights.label}{option}"
    return f"hqtrack weights pull CARD.toml{option}, with the path of your card"


def by_hand(weights: Weights) -> str:
    """Describe how a person gets published weights with a browser."""
    described = f", described at {weights.page}" if weights.page else ""
    return f"or by hand: get them from {weights.url}{described}, then {_put(weights)}"


def _put(weights: Weights) -> str:
    """Return where a file belongs."""
    folders = " or ".join(str(path.parent) for path in places(weights))
    return f"put the file {Path(weights.file).name} into {folders}"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def known_sha256(path: Path) -> str:
    """Return the SHA-256 of a file; it is read only if its size or time changed since the last call for it.

    What is known is kept in the cache folder; where that cannot be written, the file is read each time.
    """
    facts = path.stat()
    key, signature = str(path.resolve()), [facts.st_size, facts.st_mtime_ns]
    table = _checked_files()
    entry = table.get(key)
    if isinstance(entry, list) and entry[:2] == signature and isinstance(entry[-1], str):
        return entry[-1]
    digest = sha256_of(path)
    with suppress(OSError):
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(
            folder / CHECKED_FILES, json.dumps({**table, key: [*signature, digest]}, indent=1), shared=True
        )
    return digest


def _checked_files() -> dict[str, object]:
    """Read what is known of files; a damaged table is an empty one."""
    try:
        table = json.loads((cache_folder() / CHECKED_FILES).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}


@dataclass(frozen=True)
class Record:
    """What is recorded of a file at its download."""

    sha256: str
    url: str | None
    """Where it came from; None for a file that was put in place by hand."""


def record_of(path: Path) -> Path:
    """Return the path of the record of a weight file, in the format of `sha256sum`."""
    return path.with_name(path.name + ".sha256")


def record_sha256(path: Path, digest: str, url: str | None = None) -> None:
    """Record the SHA-256 of a file, and as a comment where it comes from, for later checks."""
    source = f"# {url}\n" if url else ""
    write_whole(record_of(path), f"{digest}  {path.name}\n{source}", shared=True)


def recorded(path: Path) -> Record | None:
    """Read what is recorded of a file, if anything is.

    Raises:
        WeightsError: The record is damaged.
    """
    record = record_of(path)
    try:
        digest, *source = record.read_text(encoding="utf-8").splitlines()
        match = re.match(r"[0-9a-f]{64}\b", digest)
        if match is None:
            raise ValueError(digest)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise WeightsError(f"{record}: is damaged; delete it, and the file is checked again") from error
    return Record(match[0], source[0].removeprefix("# ") if source else None)


def check_sha256(weights: Weights, path: Path, *, again: bool = False) -> str | None:
    """Compare a file with what is known of it: the card's SHA-256, else what was recorded at its download.

    Args:
        weights: What the file should be.
        path: The file.
        again: Read the file even if its size and time are as they were at the last check.

    Returns:
        The file's SHA-256, or None where nothing is known to compare it with.

    Raises:
        WeightsError: The file differs, or was downloaded from elsewhere than the card names.
    """
    record = recorded(path)
    elsewhere = record and record.url and weights.url and record.url != weights.url
    if record and elsewhere and weights.sha256 is None:
        raise WeightsError(
            f"{path} comes from {record.url}, not from {weights.url}: another card has a file of that name. "
            f"Give the file another name in your card, or replace it: {_again(weights, path)}"
        )
    expected = weights.sha256 or (record and record.sha256)
    if expected is None:
        return None
    digest = sha256_of(path) if again else known_sha256(path)
    if digest != expected:
        raise WeightsError(
            f"{path} is damaged, or another card's file of the same name: its SHA-256 is {digest}, "
            f"not {expected}; get it again: {_again(weights, path)}"
        )
    return digest


def _again(weights: Weights, path: Path) -> str:
    if not weights.url:
        return remedy(weights)
    if path == Path(weights.file):  # by its full path in the card, which may be wrong: nothing to delete
        return "the card names this file; correct its file or its sha256"
    if path != cached(weights):
        return f"delete that file, then {pull_command(weights)}"
    return pull_command(weights, " --force")
