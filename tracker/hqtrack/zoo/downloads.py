"""Downloads of published weights: resumable, checked, and never half-written."""

from __future__ import annotations

import glob
import logging
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

import filelock
import gdown
import requests

from hqtrack import files
from hqtrack.cards import Weights
from hqtrack.errors import WeightsError
from hqtrack.zoo import hub
from hqtrack.zoo.checkpoints import read_checkpoint
from hqtrack.zoo.weights import (
    by_hand,
    cached,
    check_sha256,
    locate,
    record_of,
    record_sha256,
    recorded,
    remedy,
    sha256_of,
)

_log = logging.getLogger(__name__)

Progress = Callable[[int, int | None], None]
"""Called with the bytes received so far and the bytes expected, None if the server does not say."""

TIMEOUT_SECONDS = 20.0
"""How long a server may be silent."""

ATTEMPTS = 5
"""For a transfer that breaks or stalls; each resumes where the last one stopped, if the server allows it."""


def pull(
    weights: Weights, *, folder: Path | None = None, force: bool = False, progress: Progress | None = None
) -> Path:
    """Download weights into the user's cache, unless they are there already.

    The transfer goes to a temporary file next to the target, resumes where an earlier one stopped, and is
    renamed only after its SHA-256 agreed: with the card, else with what the server publishes. Where neither
    knows one, the file must be a checkpoint, and its SHA-256 is recorded, so that later damage is noticed.

    Args:
        weights: What to download.
        folder: Where to; the user's cache if None.
        force: Download again, from the first byte, even if the file is there.
        progress: Called with the bytes received.

    Returns:
        The path of the complete file.

    Raises:
        WeightsError: There is nothing to download, the transfer failed, what came is not what it should be,
            or another file has its name.
        InputError: A link has a name under which parts are kept.
    """
    if folder is None and not force:
        present = locate(weights)
        if present is not None:
            check_sha256(weights, present)
            return present
    if weights.url is None:
        raise WeightsError(f"the weights {weights.label} cannot be downloaded. {remedy(weights)}")
    target = cached(weights) if folder is None else folder / Path(weights.file).name
    with _exclusive(target):
        if target.is_file() and not force:
            check_sha256(weights, target)
            return target
        unchecked = target.with_name(f"unchecked-{target.name}")
        if force:
            _forget(unchecked)
        for path in (unchecked, *_parts(unchecked), hub.part_folder(unchecked)):
            if path.is_symlink() or path.is_file():  # clients append to what is there, links or not
                files.check_own(path)
        _transfer(weights, unchecked, progress)
        digest = _checked(weights, unchecked, target)
        record_sha256(target, digest, weights.url)
        unchecked.replace(target)
    return target


def add(weights: Weights, source: Path, *, force: bool = False) -> Path:
    """Check a weight file that came by another way, and copy it into the user's cache.

    Args:
        weights: What the file should be.
        source: The file; it stays where it is.
        force: Replace another file of that name in the cache.

    Returns:
        The path of the copy.

    Raises:
        WeightsError: The file is missing, is not what the card describes, or is no checkpoint where no
            SHA-256 is known; or another file is stored under its name.
    """
    if not source.is_file():
        raise WeightsError(f"no weight file at {source}; give the path of the file that you downloaded")
    digest = sha256_of(source)
    if weights.sha256 is None:
        read_checkpoint(source)
    elif digest != weights.sha256:
        raise WeightsError(
            f"{source} is not {weights.label}: its SHA-256 is {digest}, not {weights.sha256}; "
            "download it again"
        )
    target = cached(weights)
    with _exclusive(target):
        if target.is_file() and not force:
            if sha256_of(target) == digest:
                return target
            raise WeightsError(f"{target} is another file; replace it with --force, or delete it")
        unchecked = target.with_name(f"unchecked-{target.name}")
        with files.create(unchecked) as copy, source.open("rb") as original:
            shutil.copyfileobj(original, copy)
        record_sha256(target, digest)
        unchecked.replace(target)
    return target


@contextmanager
def _exclusive(target: Path) -> Iterator[None]:
    """Lock a file, so that one process at a time writes it."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with files.lock(target.with_name(target.name + ".lock")):
            yield
    except filelock.Timeout as error:
        raise WeightsError(f"another process is downloading {target}; wait for it, or stop it") from error
    except OSError as error:
        raise WeightsError(f"cannot write {target}: {error}; choose another folder with --to") from error


def _transfer(weights: Weights, output: Path, progress: Progress | None) -> None:
    """Fetch a URL into a file; what an interrupted transfer received is kept next to it, and resumed."""
    if hub.serves(weights):
        hub.fetch(weights, output, progress)
        return
    if weights.gated:
        raise WeightsError(f"the weights {weights.label} need the hub's client. {remedy(weights)}")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _attempt(weights, output, progress)
            return
        except (gdown.exceptions.DownloadError, requests.RequestException) as error:
            if attempt == ATTEMPTS or not _may_pass(error):
                raise WeightsError(
                    f"the download of {weights.label} from {weights.url} failed: {_reason(error)}. The same "
                    "command resumes where it stopped, if the server can, and starts over with --force "
                    f"({by_hand(weights)})."
                ) from error
            _log.warning("%s: %s; attempt %d of %d", weights.label, _reason(error), attempt + 1, ATTEMPTS)
            time.sleep(attempt - 1)


def _attempt(weights: Weights, output: Path, progress: Progress | None) -> None:
    """Try a transfer once. What the server refuses to resume is deleted: the next try starts over."""
    before = _received(output)
    try:
        gdown.download(
            url=_file_url(weights),
            output=str(output),
            quiet=True,
            use_cookies=False,
            resume=True,
            progress=progress,
            timeout=TIMEOUT_SECONDS,
        )
    except gdown.exceptions.DownloadError as error:
        if _may_pass(error) and _received(output) == before:
            _forget(output)
        raise


REFUSALS = re.compile(r"(?<!\d)40[37](?!\d)|quota exceeded|too many users have viewed or downloaded")
"""How servers and proxies refuse a file for good; asking again changes nothing."""

LONGEST_REASON = 120
"""Characters of an error of a transfer that are shown."""


def _may_pass(error: Exception) -> bool:
    """Return whether another attempt may succeed: not after an answer that refuses the file."""
    if isinstance(error, gdown.exceptions.FileURLRetrievalError | requests.HTTPError):
        return False
    return REFUSALS.search(str(error).lower()) is None


def _reason(error: Exception) -> str:
    """Return an error of a transfer in one short line, without gdown's advice on its own options."""
    text = " ".join(str(error).split()).partition("The received bytes are kept")[0].rstrip(" .")
    if "407" in text and "proxy" in text.lower():
        return "the proxy asks for a user name and a password (407); set them in HTTPS_PROXY"
    if isinstance(error, requests.ConnectionError):
        text = re.sub(r"^.*: ([^:]+?)[)'\"]*$", r"\1", text)  # the innermost of several nested errors
    if len(text) > LONGEST_REASON:
        text = f"{text[:LONGEST_REASON].rstrip()}…"
    return text or type(error).__name__


def _file_url(weights: Weights) -> str:
    """Return the URL of the file itself: in a shared drive folder it is found by its name."""
    url = str(weights.url)
    if "/drive/folders/" not in url:
        return url
    listing = gdown.download_folder(
        url=url, skip_download=True, quiet=True, use_cookies=False, timeout=TIMEOUT_SECONDS
    )
    ids = {PurePosixPath(entry.path).name: entry.id for entry in listing if not isinstance(entry, str)}
    name = Path(weights.file).name
    if name not in ids:
        raise WeightsError(
            f"{url} holds no {name}, but {', '.join(sorted(ids)) or 'nothing'}. {remedy(weights)}"
        )
    return f"https://drive.google.com/file/d/{ids[name]}/view"


def _checked(weights: Weights, path: Path, target: Path) -> str:
    """Return the SHA-256 of a download; one that is not as published, or as first recorded, is deleted."""
    digest = sha256_of(path)
    record = recorded(target)
    earlier = record.sha256 if record and record.url in (None, weights.url) else None
    expected = weights.sha256 or published_sha256(str(weights.url)) or earlier
    if expected is None:
        _log.warning(
            "%s: no SHA-256 of it is known, so that it cannot be checked; its own is recorded, and later "
            "changes are noticed",
            weights.label,
        )
        try:
            read_checkpoint(path)
        except WeightsError as error:
            with path.open("rb") as file:
                begin = file.read(40)
            path.unlink()
            raise WeightsError(
                f"what {weights.url} sent is no checkpoint (it begins with {begin!r}), and was deleted; "
                f"try again ({by_hand(weights)})"
            ) from error
    elif digest != expected:
        path.unlink()
        forget = (
            f" To forget what an earlier download recorded, delete {record_of(target)}." if earlier else ""
        )
        asked = f", or ask its authors ({weights.page})" if weights.page else ""
        raise WeightsError(
            f"the download of {weights.label} from {weights.url} is damaged or was replaced: its SHA-256 is "
            f"{digest}, not {expected}. It was deleted; try again{asked}.{forget}"
        )
    return digest


def published_sha256(url: str) -> str | None:
    """Return the SHA-256 that a model hub publishes for a file in the header `X-Linked-Etag`, if it does."""
    if urlparse(url).hostname == "drive.google.com":
        return None
    try:
        response = requests.head(url, allow_redirects=False, timeout=TIMEOUT_SECONDS)
    except requests.RequestException as error:
        _log.warning("cannot ask %s for a SHA-256 (%s): it is recorded, not checked", url, error)
        return None
    tag = response.headers.get("X-Linked-Etag", "").strip('"')
    return tag if re.fullmatch("[0-9a-f]{64}", tag) else None


def _parts(output: Path) -> list[Path]:
    """Return the files in which gdown keeps what was received."""
    return list(output.parent.glob(f"{glob.escape(output.name)}*.part"))


def _received(output: Path) -> int:
    """Return how many bytes earlier transfers left."""
    return sum(part.stat().st_size for part in _parts(output))


def _forget(output: Path) -> None:
    """Delete what earlier transfers left."""
    for path in (output, *_parts(output)):
        path.unlink(missing_ok=True)
    shutil.rmtree(hub.part_folder(output), ignore_errors=True)
