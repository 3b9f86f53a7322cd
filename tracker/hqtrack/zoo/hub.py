"""Downloads from the model hub by its own client: with a person's account, from mirrors, out of its cache."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hqtrack.cards import Weights
from hqtrack.errors import WeightsError
from hqtrack.zoo.weights import by_hand, remedy

_FILE = re.compile(
    r"https://huggingface\.co/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)"
)

ENDPOINT: str | None = None
"""Where the hub is; None leaves it to the client, which reads the variable HF_ENDPOINT."""

REFUSED = (401, 403)
"""How the hub answers those who have not signed in, or have not accepted a licence."""


def serves(weights: Weights) -> bool:
    """Return whether a file is on the hub, and its client is installed."""
    return _FILE.fullmatch(str(weights.url)) is not None and find_spec("huggingface_hub") is not None


def part_folder(output: Path) -> Path:
    """Return the folder in which the client keeps what it received."""
    return output.with_name(f"{output.name}.hub")


def fetch(weights: Weights, output: Path, progress: Callable[[int, int | None], None] | None) -> None:
    """Fetch a file; what an interrupted transfer received is kept next to it, and resumed.

    Args:
        weights: What to download; `serves` is true of it.
        output: The complete file.
        progress: Called with the bytes received so far and the bytes expected.

    Raises:
        WeightsError: The transfer failed; the message says what to do.
        OSError: The file cannot be written.
    """
    found = _FILE.fullmatch(str(weights.url))
    assert found is not None
    folder = part_folder(output)
    # The client tries again five times, and says two long lines of each; the last reason is in our error.
    import_module("huggingface_hub.utils.logging").set_verbosity_error()
    try:
        file = import_module("huggingface_hub").hf_hub_download(
            found["repository"],
            found["name"],
            revision=found["revision"],
            local_dir=folder,
            endpoint=ENDPOINT,
            tqdm_class=_bar(progress),
        )
    except (OSError, RuntimeError, ValueError) as error:  # the client's own are kinds of these
        if isinstance(error, OSError) and error.errno is not None:
            raise
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in REFUSED:
            raise WeightsError(f"the hub refuses {weights.label} ({status}). {remedy(weights)}") from error
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(
            f"the download of {weights.label} from {weights.url} failed: {reason} The same command resumes "
            f"where it stopped ({by_hand(weights)})."
        ) from error
    Path(file).replace(output)
    shutil.rmtree(folder, ignore_errors=True)


def _bar(progress: Callable[[int, int | None], None] | None) -> Any:
    """Return a class of progress bars that show nothing, and report what was received."""
    base = import_module("tqdm").tqdm

    class Bar(base):  # type: ignore[misc, valid-type]  # tqdm has no types
        def __init__(self, *args: Any, initial: int = 0, **settings: Any) -> None:
            super().__init__(*args, initial=initial, **{**settings, "disable": True})
            self._received = initial

        def update(self, n: float | None = 1) -> bool | None:
            self._received += int(n or 0)
            if progress is not None and self.total:
                progress(self._received, int(self.total))
            return None

    return Bar
