"""Workspaces of the VOT toolkit that know our trackers."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from vot.stack import list_integrated_stacks
from vot.workspace import Workspace

from hqtrack.errors import DataError, did_you_mean, naming
from hqtrack.files import write_whole
from hqtrack.zoo import card_names, load_card

SAMPLE_STACK = "stack.yaml"
"""Name that stands for our own stack with all measures of VOTS2023, for sequences with full ground truth."""

SAMPLE_STACK_TEXT = """\
title: All measures of VOTS2023, with J and F, for sequences with full ground truth
experiments:
  baseline:
    type: unsupervised
    repetitions: 1
    multiobject: True
    analyses:
      - type: average_accuracy
        name: Quality
        burnin: 0
        ignore_unknown: False
        weighted: False
      - type: average_success_plot
        name: Quality plot
        burnin: 0
        ignore_unknown: False
      - type: longterm_ar
        name: AR
      - type: average_quality_auxiliary
        name: Auxiliary
      - type: vos_mean_j
        name: J
      - type: vos_mean_f
        name: F
"""

FIRST_CARDS = {"hqtrack": "HQTrack", "hqtrack-light": "HQTrackLight"}
"""Identifiers of the cards that a registry lists first."""

SECONDS_PER_REPLY = 300
"""The large systems need many seconds per frame on a CPU; the toolkit's default is 30."""


def tracker_identifier(card: str) -> str:
    """Return the toolkit's identifier of a card's tracker.

    Example:
        >>> tracker_identifier("ms-aot-joint")
        'MS_AOT_JOINT'
        >>> tracker_identifier("sam2.1-large")
        'SAM2_1_LARGE'
    """
    return FIRST_CARDS.get(card, re.sub(r"\W", "_", card).upper())


def needs_quotes(python: str) -> bool:
    """Return whether the toolkit, which splits commands at spaces, cannot start a Python by this path."""
    return bool(python) and shlex.quote(python) != python


def tracker_entry(
    identifier: str, label: str, card: str, settings: Mapping[str, str] | None = None, python: str = ""
) -> str:
    """Return the entry of a registry for one of our systems.

    Args:
        identifier: The toolkit's name for it.
        label: What it is, for reports.
        card: Name or path of its model card.
        settings: Values in place of the card's own.
        python: As for `registry_text`.
    """
    environment = {f"HQTRACK_{key.upper()}": text for key, text in (settings or {}).items()}
    lines = [
        f"[{identifier}]",
        f"label = {label}",
        "protocol = traxpython",
        "command = hqtrack.vot",
        *([f"python = {shlex.quote(python)}"] if needs_quotes(python) else []),
        *(f"env_{key} = {text}" for key, text in {"HQTRACK_CARD": card, **environment}.items()),
        f"timeout = {SECONDS_PER_REPLY}",
    ]
    return "\n".join(line.replace("%", "%%") for line in lines) + "\n"


def registry_text(python: str = "") -> str:
    """Return the content of a `trackers.ini` with one entry for every model card, and the baseline.

    Args:
        python: Path of the Python that runs the trackers. It is named only where it has a space: the toolkit
            starts the Python that it runs in, but splits the path.
    """
    interpreter = f"python = {shlex.quote(python)}\n" if needs_quotes(python) else ""
    cards = [*FIRST_CARDS, *(name for name in card_names() if name not in FIRST_CARDS)]
    entries = [
        tracker_entry(tracker_identifier(card), load_card(card).title, card, python=python) for card in cards
    ]
    entries.append(
        "[FirstMask]\n"
        "label = Baseline: the first mask repeated\n"
        "protocol = traxpython\n"
        f"command = hqtrack.vot.first_mask\n{interpreter}"
    )
    header = (
        "# Trackers for the VOT toolkit: name this file in a workspace's config.yaml under `registry`, or\n"
        "# pass it with `vot --registry`. The toolkit must run in the environment that hqtrack is in.\n"
        "# Settings: env_HQTRACK_DEVICE, env_HQTRACK_PRECISION, env_HQTRACK_LONG_TERM_GAP, …\n"
        "# (`python -m hqtrack.vot` reads them; see hqtrack/vot/__main__.py).\n\n"
    )
    return header + "\n".join(entries)


def create_workspace(folder: Path, stack: str) -> None:
    """Create a workspace with our trackers; nothing is downloaded.

    Args:
        folder: Where; must not hold a workspace yet.
        stack: A stack of the toolkit, such as "vots2023", or "stack.yaml" for ours.

    Raises:
        DataError: There is a workspace or a registry already, or the toolkit has no such stack.
    """
    names = ["config.yaml", "trackers.ini", *([SAMPLE_STACK] if stack == SAMPLE_STACK else [])]
    for name in names:
        if (folder / name).exists():
            raise DataError(
                f"{folder} holds a {name} already and is left as it is; choose another folder, or name our "
                "trackers.ini under `registry` in that workspace's config.yaml"
            )
    known = list_integrated_stacks()
    if stack != SAMPLE_STACK and stack not in known:
        raise DataError(
            f"the toolkit has no stack {stack!r}: {did_you_mean(stack, [*known, SAMPLE_STACK])}there are "
            f"{', '.join(sorted(known))}, and {SAMPLE_STACK} for ours"
        )
    try:
        with naming(folder):
            Workspace.initialize(
                str(folder), {"registry": ["./trackers.ini"], "stack": stack}, download=False
            )
            write_whole(folder / "trackers.ini", registry_text(sys.executable))
            if stack == SAMPLE_STACK:
                write_whole(folder / SAMPLE_STACK, SAMPLE_STACK_TEXT)
    except OSError:
        with suppress(OSError):  # half a workspace would be taken for one, and left as it is
            for name in names:
                (folder / name).unlink(missing_ok=True)
        raise
