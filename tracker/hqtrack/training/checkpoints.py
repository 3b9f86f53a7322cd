"""Files of a training: checkpoints that survive a crash, what produced them, and weights to ship."""

from __future__ import annotations

import errno
import json
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import hqtrack
from hqtrack.errors import HQTrackError, WeightsError
from hqtrack.files import whole, write_whole
from hqtrack.nets.encoders import Encoder
from hqtrack.zoo.checkpoints import check_family, load_into, read_checkpoint, read_content
from hqtrack.zoo.weights import sha256_of

CHECKPOINT_FILE = "checkpoint.pt"
STARTS_FILE = "starts.json"


class TrainingError(HQTrackError, RuntimeError):
    """A training that cannot continue."""


def save_atomically(state: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint so that the previous one survives a crash or a full disk.

    Raises:
        TrainingError: It cannot be written; the previous one is as it was.
    """
    try:
        with whole(path) as part:
            torch.save(state, part)
    except (OSError, RuntimeError) as error:
        kept = "the previous one is kept" if path.exists() else "there is no earlier one"
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        reason = "no space is left" if full else str(error)
        raise TrainingError(
            f"cannot write the checkpoint {path}: {reason}; {kept}. Make room, then repeat the "
            "command to resume from there."
        ) from error


def read_state(path: Path) -> dict[str, Any]:
    """Read a training's checkpoint.

    Raises:
        WeightsError: It is missing or damaged.
    """
    if not path.is_file():
        raise WeightsError(f"no checkpoint at {path}; was a training run there?")
    state = read_content(path)
    if not isinstance(state, dict):
        raise WeightsError(f"{path}: not a training's checkpoint")
    return state


def load_encoder(network: nn.Module, path: Path) -> None:
    """Start a network's encoder with weights of the encoder alone; what else the file holds is left out.

    Raises:
        WeightsError: The file is unreadable, or lacks a tensor of the encoder.
    """
    encoder = network.get_submodule("encoder")
    state: Mapping[str, Tensor] = read_checkpoint(path)
    if isinstance(encoder, Encoder):
        state = encoder.own_names(state)
    own = encoder.state_dict()
    counters = (name for name in own if name.endswith(".num_batches_tracked"))
    kept = {name: state[name] for name in own if name in state} | {name: own[name] for name in counters}
    load_into(encoder, f"{type(encoder).__name__} (an encoder)", kept, path)


@dataclass(frozen=True)
class Start:
    """How a training was started or resumed."""

    stage: int | str
    """1, 2 or "refiner"."""
    card: str
    network: str
    data: tuple[str, ...]
    command: str
    commit: str
    encoder: str = ""
    """SHA-256 of the file that the encoder started with, if it was one."""
    contents: str = ""
    """What `data` holds: how many videos and photographs, and a digest of their names. Older runs lack it."""


def command_line() -> str:
    """Return the command that runs now, as one would type it."""
    name = Path(sys.argv[0]).name
    return shlex.join(["hqtrack" if name == "__main__.py" else name, *sys.argv[1:]])


def code_version() -> str:
    """Return the checkout's commit, marked when files differ from it, or an installed copy's version.

    A copy in somebody else's repository is an installed one.
    """
    package = Path(hqtrack.__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=package, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "--", "__init__.py")  # fails where the repository is not ours
        changed = git("status", "--porcelain", "--untracked-files=no", "--", str(package))
        return git("rev-parse", "HEAD") + (" with changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return f"version {hqtrack.__version__}"


def record_start(run: Path, start: Start) -> None:
    """Add a start to the list in a run's folder.

    Raises:
        TrainingError: What was begun there has another network or another data set, or began with another
            encoder.
    """
    path = run / STARTS_FILE
    for earlier in starts_of(run)[:1]:
        for what in ("network", "encoder"):
            was, now = getattr(earlier, what), getattr(start, what)
            if was != now:
                raise TrainingError(
                    f"{run} contains a training that started with another {what} ({was or 'none given'}, now "
                    f"{now or 'none given'}); repeat the command of that training, or choose another --folder"
                )
        if earlier.contents and earlier.contents != start.contents:
            raise TrainingError(
                f"{run} contains a training on another data set ({earlier.contents}; now {start.contents}); "
                f"repeat the command of that training, or choose another --folder and give --from {run}"
            )
    starts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    write_whole(path, json.dumps([*starts, vars(start)], indent=2) + "\n")


def starts_of(run: Path) -> list[Start]:
    """Return how a run was started and resumed, in order; nothing is known of runs without such a list."""
    path = run / STARTS_FILE
    if not path.exists():
        return []
    return [
        Start(**{**item, "data": tuple(item["data"])})
        for item in json.loads(path.read_text(encoding="utf-8"))
    ]


def compact(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights in float16, without the batch counters that nothing reads.

    Vectors (norms, biases, running statistics) stay float32: they are few, and their range is wide.
    """
    kept = {name: value for name, value in state.items() if not name.endswith(".num_batches_tracked")}
    return {
        name: (value.half() if value.is_floating_point() and value.dim() > 1 else value).contiguous()
        for name, value in kept.items()
    }


def export(
    runs: Sequence[Path], name: str, network: nn.Module, file: Path, provenance: Mapping[str, str]
) -> str:
    """Write the averaged weights of a run, or the mean of several runs', as safetensors, float16.

    Weights can be averaged where the runs began with the same ones (arXiv 2203.05482).

    Args:
        runs: Folders of trainings, at least one.
        name: Of their network.
        network: Such a network.
        file: What to write; it appears only once complete.
        provenance: Goes into the file's header.

    Returns:
        The file's SHA-256.

    Raises:
        WeightsError: There is no checkpoint, or it is not of that network, or the file cannot be written.
    """
    states, steps = [], []
    for run in runs:
        checkpoint = run / CHECKPOINT_FILE
        state = read_state(checkpoint)
        if "ema" not in state or "step" not in state:
            raise WeightsError(f"{checkpoint} is not a training's checkpoint: it has no averaged weights")
        check_family(name, network.state_dict(), state["ema"], checkpoint)
        states.append(state["ema"])
        steps.append(str(state["step"]))
    means = {key: torch.stack([state[key].float() for state in states]).mean(0) for key in states[0]}
    weights = compact(means)
    bad = [name for name, value in weights.items() if not bool(torch.isfinite(value).all())]
    if bad:
        where = ", ".join(str(run) for run in runs)
        raise WeightsError(f"{where}: not finite in float16: {', '.join(bad[:3])}; the training failed")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file) as part:
            save_file(weights, part, metadata={"steps": " and ".join(steps), **provenance})
            part.chmod(0o644)  # safetensors writes files that only their owner reads
    except OSError as error:
        raise WeightsError(f"cannot write {file}: {error}") from error
    return sha256_of(file)


def with_entry(
    card: str, sha256: str, provenance: Mapping[str, str], source: str, section: str = "weights"
) -> str:
    """Put a SHA-256 and, as comments, where weights come from into a card's section of weights.

    Args:
        card: The card's text.
        sha256: Of the weight file.
        provenance: Lines by a short name; an earlier export's lines are replaced.
        source: Where the card comes from, for messages.
        section: "weights" of the propagation network, or "refiner.weights".

    Raises:
        WeightsError: The text has no such section.
    """
    lines = card.splitlines()
    if f"[{section}]" not in lines:
        raise WeightsError(f"{source} has no [{section}]; is it the right model card?")
    first = lines.index(f"[{section}]") + 1
    last = next((i for i in range(first, len(lines)) if lines[i].startswith("[")), len(lines))
    old = ("sha256", *(f"# {name}:" for name in provenance))
    kept = [line for line in lines[first:last] if line.strip() and not line.startswith(old)]
    said = [f"# {name}: {' '.join(text.split())}" for name, text in provenance.items()]
    after = ["", *lines[last:]] if last < len(lines) else []
    return "\n".join([*lines[:first], *kept, f'sha256 = "{sha256}"', *said, *after]) + "\n"
