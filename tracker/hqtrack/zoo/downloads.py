"""Downloads of published weights: resumable, checked, and never half-written."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

import filelock
import gdown
import requests

from hqtrack.config import Weights
from hqtrack.errors import WeightsError
from hqtrack.zoo.weights import (
    by_hand,
    cache_folder,
    locate,
    record_of,
    record_sha256,
    recorded_sha256,
    remedy,
    sha256_of,
)

_log = logging.getLogger(__name__)

Progress = Callable[[int, int | None], None]
"""Called with the bytes received so far and the bytes expected, None if the server does not say."""

TIMEOUT_SECONDS = 60.0
RETRIES = 4
"""Attempts after a broken transfer, each of which goes on where the last one stopped."""


def pull(
    weights: Weights, *, folder: Path | None = None, force: bool = False, progress: Progress | None = None
) -> Path:
    """Download weights into the user's cache, unless they are there already.

    The transfer goes to a temporary file beside the target, resumes where an earlier one stopped, and is
    renamed only after its SHA-256 agreed: with the card, else with what the server publishes. Where neither
    knows one, it is recorded, so that `hqtrack weights verify` notices later damage.

    Args:
        weights: What to download.
        folder: Where to; the user's cache if None.
        force: Download again, from the first byte, even if the file is there.
        progress: Told about the bytes received.

    Returns:
        The path of the complete file.

    Raises:
        WeightsError: There is nothing to download, the transfer failed, or the SHA-256 differs.
    """
    if folder is None and not force:
        present = locate(weights)
        if present is not None:
            return present
    if weights.url is None:
        raise WeightsError(f"the weights {weights.label} cannot be downloaded. {remedy(weights)}")
    folder = cache_folder() if folder is None else folder
    target = folder / Path(weights.file).name
    with _exclusive(target):
        if target.is_file() and not force:
            return target
        unchecked = target.with_name(target.name + ".unchecked")
        if force:
            _forget(unchecked)
        _transfer(weights, unchecked, progress)
        digest = _checked(weights, unchecked, target)
        unchecked.replace(target)
        record_sha256(target, digest)
    return target


@contextmanager
def _exclusive(target: Path) -> Iterator[None]:
    """Let one process at a time write a file."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(target.with_name(target.name + ".lock"), timeout=0):
            yield
    except filelock.Timeout as error:
        raise WeightsError(f"another process is downloading {target}; wait for it, or stop it") from error
    except OSError as error:
        raise WeightsError(f"cannot write {target}: {error}; choose another folder with --to") from error


def _transfer(weights: Weights, output: Path, progress: Progress | None) -> None:
    """Fetch a URL into a file; what an interrupted transfer received is kept beside it and gone on with."""
    try:
        gdown.download(
            url=_file_url(weights),
            output=str(output),
            quiet=True,
            use_cookies=False,
            resume=True,
            progress=progress,
            timeout=TIMEOUT_SECONDS,
            retries=RETRIES,
        )
    except (gdown.exceptions.DownloadError, requests.RequestException) as error:
        raise WeightsError(
            f"the download of {weights.label} from {weights.url} failed: {error}. "
            f"The same command goes on where it stopped; with --force it starts anew ({by_hand(weights)})."
        ) from error


def _file_url(weights: Weights) -> str:
    """Give the URL of the file itself: in a shared drive folder it is found by its name."""
    url = str(weights.url)
    if "/drive/folders/" not in url:
        return url
    listing = gdown.download_folder(
        url=url, skip_download=True, quiet=True, use_cookies=False, timeout=TIMEOUT_SECONDS
    )
    ids = {PurePosixPath(entry.path).name: entry.id for entry in listing if not isinstance(entry, str)}
    if weights.file not in ids:
        raise WeightsError(
            f"{url} holds no {weights.file}, but {', '.join(sorted(ids)) or 'nothing'}. {remedy(weights)}"
        )
    return f"https://drive.google.com/file/d/{ids[weights.file]}/view"


def _checked(weights: Weights, path: Path, target: Path) -> str:
    """Give the SHA-256 of a download; one that is not as published, or as first recorded, is deleted."""
    digest = sha256_of(path)
    expected = weights.sha256 or published_sha256(str(weights.url)) or recorded_sha256(target)
    if expected is not None and digest != expected:
        path.unlink()
        record = record_of(target)
        forget = f" To forget what an earlier download recorded, delete {record}." if record.is_file() else ""
        raise WeightsError(
            f"the download of {weights.label} from {weights.url} is damaged or was replaced: its SHA-256 is "
            f"{digest}, not {expected}. It was deleted; try again, or ask its authors "
            f"({weights.page}).{forget}"
        )
    return digest


def published_sha256(url: str) -> str | None:
    """Give the SHA-256 that a model hub publishes for a file in the header `X-Linked-Etag`, if it does."""
    if urlparse(url).hostname == "drive.google.com":
        return None
    try:
        response = requests.head(url, allow_redirects=False, timeout=TIMEOUT_SECONDS)
    except requests.RequestException as error:
        _log.warning("cannot ask %s for a SHA-256 (%s): it is recorded, not checked", url, error)
        return None
    tag = response.headers.get("X-Linked-Etag", "").strip('"')
    return tag if re.fullmatch("[0-9a-f]{64}", tag) else None


def _forget(output: Path) -> None:
    """Delete what earlier transfers left."""
    output.unlink(missing_ok=True)
    for part in output.parent.glob(f"{output.name}*.part"):
        part.unlink()
