"""`hqtrack doctor`: what works, and what to do about the rest."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from hqtrack.cli.tables import print_table
from hqtrack.defaults import DEFAULT_CARD
from hqtrack.errors import EXTRAS, HQTrackError, message_of, missing_library

if TYPE_CHECKING:
    from hqtrack.cards import Weights

TRAX_SECONDS = 60.0
"""Time for a TraX round trip; starting Python and importing trax take a second or two of it."""


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    subject: str
    status: Literal["good", "note", "broken"]
    """`note`: something optional is missing; `broken`: something essential does not work."""
    found: str
    remedy: str = ""


def doctor() -> None:
    """Check versions, devices, weights, the VOT toolkit, TraX, video codecs and the display.

    Each problem comes with a remedy. The exit code is 1 if something essential is broken.

    Examples:
        hqtrack doctor
        hqtrack doctor | grep broken
    """
    findings = [finding for check in CHECKS for finding in _guarded(check)]
    print_table(
        ("check", "status", "found", "what to do"),
        [(each.subject, each.status, each.found, each.remedy) for each in findings],
    )
    if any(each.status == "broken" for each in findings):
        raise typer.Exit(1)


def _guarded(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Turn a check that fails in an unforeseen way into a finding: a check must not end the report."""
    try:
        yield from check()
    except Exception as error:
        subject = check.__name__.removeprefix("check_").replace("_", " ")
        remedy = message_of(error) or "please report this"
        yield Finding(subject, "broken", f"{type(error).__name__}: {error}", remedy)


def check_versions() -> Iterator[Finding]:
    """Compare Python and every required package with what this version of HQTrack needs."""
    from importlib import metadata

    from packaging.requirements import Requirement

    yield Finding("python", "good", f"{platform.python_version()} on {platform.platform()}")
    try:
        version, requirements = metadata.version("hqtrack"), metadata.requires("hqtrack")
    except metadata.PackageNotFoundError:
        yield Finding("hqtrack", "note", "runs from source; versions are not compared", "pip install .")
        return
    yield Finding("hqtrack", "good", version)
    needed = [Requirement(line) for line in requirements or []]
    for requirement in needed:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _version_finding(
                requirement.name, str(requirement.specifier), requirement.specifier.contains
            )
    for extra in dict.fromkeys(EXTRAS.values()):
        missing = []
        for requirement in needed:
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                continue
            if not requirement.marker.evaluate({"extra": extra}) or requirement.name == "hqtrack":
                continue
            if _installed_version(requirement.name) is not None:
                yield _version_finding(
                    requirement.name, str(requirement.specifier), requirement.specifier.contains
                )
            else:
                missing.append(requirement.name)
        if missing:
            found = f"not installed: {', '.join(missing)}"
            yield Finding(f"extra {extra}", "note", found, f"pip install 'hqtrack[{extra}]'")


def _installed_version(name: str) -> str | None:
    """Return the version of a package; None where it is not installed."""
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _version_finding(name: str, wanted: str, fits: Callable[..., bool]) -> Finding:
    """Compare one package with what is wanted."""
    remedy = f'pip install "{name}{wanted}"'
    version = _installed_version(name)
    if version is None:
        return Finding(name, "broken", "not installed", remedy)
    if fits(version, prereleases=True):
        return Finding(name, "good", version)
    return Finding(name, "broken", f"{version}, but {wanted} is needed", remedy)


def check_devices() -> Iterator[Finding]:
    """Name the devices, and compute something on each."""
    import torch

    devices = ["cpu"]
    devices += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    for device in devices:
        name = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()
        try:
            total = torch.ones(8, 8, device=device).matmul(torch.ones(8, 8, device=device)).sum().item()
        except RuntimeError as error:
            yield Finding(device, "broken", f"{name}: {error}", "install the PyTorch build for your driver")
            continue
        if total == 512.0:
            threads = f", {torch.get_num_threads()} threads" if device == "cpu" else ""
            yield Finding(device, "good", name + threads)
        else:
            yield Finding(device, "broken", f"{name} computes wrongly", "use another device: --device cpu")
    if len(devices) == 1:
        yield Finding(
            "gpu",
            "note",
            "none that PyTorch can use",
            f"{DEFAULT_CARD} works without; the other cards are slow on a CPU",
        )


def check_precision() -> Iterator[Finding]:
    """Report in which precision networks run on the processor by default, and why."""
    import torch

    from hqtrack import processor

    name = str(processor.fastest_dtype()).removeprefix("torch.")
    if not processor.fuses_convolutions(torch.float32):
        yield Finding(
            "precision",
            "note",
            f"{name}; PyTorch has no oneDNN here ({processor.capability()}), so networks are slow",
            "install a PyTorch build with oneDNN",
        )
        return
    products = "computes" if processor.has_bfloat16_products() else "does not compute"
    yield Finding(
        "precision", "good", f"{name} on the CPU: {processor.capability()} {products} bfloat16 natively"
    )


def check_backend() -> Iterator[Finding]:
    """Report what runs the default card's encoder, and why."""
    import torch

    from hqtrack import processor
    from hqtrack.runtimes.encoders import choose
    from hqtrack.zoo import load_card, load_network

    network = load_network(load_card(DEFAULT_CARD)).eval()
    choice = choose("auto", network, device=torch.device("cpu"), dtype=processor.fastest_dtype())
    yield Finding("backend", "good", f"{choice.backend} runs the encoder: {choice.reason}")


def check_weights() -> Iterator[Finding]:
    """Load the embedded weights, and report which of the others are installed."""
    from hqtrack.refinement import build_refiner
    from hqtrack.zoo import (
        card_names,
        find_weights,
        known_weights,
        load_card,
        load_network,
        locate,
        verify,
    )

    embedded: dict[Weights, tuple[str, Callable[[], object]]] = {}
    for card in (load_card(name) for name in card_names()):
        embedded[card.weights] = card.network, partial(load_network, card)
        if card.refiner is not None:
            network = f"the refiner {card.refiner.kind}"
            embedded[card.refiner.weights] = network, partial(build_refiner, card.refiner)
    for weights, (network, load) in embedded.items():
        if weights.origin != "embedded":
            continue
        try:
            verdict = verify(weights, find_weights(weights))
            load()
        except HQTrackError as error:
            yield Finding(f"weights {weights.label}", "broken", str(error), "reinstall hqtrack")
        else:
            yield Finding(f"weights {weights.label}", "good", f"loaded into {network}; {verdict}")
    for weights in known_weights():
        path = locate(weights)
        if weights.origin == "embedded":
            continue
        if path is not None:
            yield Finding(
                f"weights {weights.label}", "good", str(path), f"hqtrack weights verify {weights.label}"
            )
        elif weights.origin == "published":
            yield Finding(
                f"weights {weights.label}", "note", "not installed", f"hqtrack weights pull {weights.label}"
            )
        else:
            yield Finding(f"weights {weights.label}", "note", "not published", "hqtrack train --help")


def check_cache() -> Iterator[Finding]:
    """See whether downloads can be written, and how much space is free."""
    from hqtrack.zoo import cache_folder
    from hqtrack.zoo.weights import CACHE_VARIABLE

    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free / 1e9
    except OSError as error:
        yield Finding("cache", "note", f"{folder}: {error}", f"set {CACHE_VARIABLE} to a writable folder")
        return
    remedy = "" if free > 4 else "the weights of the card hqtrack need about 3 GB"
    yield Finding("cache", "good" if free > 4 else "note", f"{folder}, {free:.0f} GB free", remedy)


def check_toolkit() -> Iterator[Finding]:
    """Import the parts of the VOT toolkit that an evaluation uses, in a process of their own."""
    if find_spec("vot") is None:
        return  # the versions have said so
    modules = "vot.workspace, vot.stack, vot.tracker.trax, vot.analysis"
    done = subprocess.run(
        [sys.executable, "-c", f"import {modules}"], capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode == 0:
        yield Finding("vot toolkit", "good", _installed_version("vot-toolkit") or "")
        yield from _interpreter_finding()
        yield from _faults_finding()
        return
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    yield Finding("vot toolkit", "broken", last, _toolkit_remedy(last))


def _faults_finding() -> Iterator[Finding]:
    """Name the faults of the toolkit, and the experiments of a workspace in this folder that they stop."""
    from hqtrack.evaluation.mends import found_faults, mend_toolkit
    from hqtrack.evaluation.stacks import facts_of_stack, warning_of
    from hqtrack.evaluation.workspaces import stack_of

    mend_toolkit()
    if found_faults():
        yield Finding(
            "vot toolkit's faults",
            "note",
            f"`vot evaluate` and `vot analysis` fail in some stacks: {', '.join(sorted(found_faults()))}",
            "use hqtrack evaluate and hqtrack vot, which mend them",
        )
    if Path("config.yaml").is_file():
        warning = warning_of(facts_of_stack(stack_of(Path()), Path()))
        if warning:
            yield Finding("this workspace", "note", warning)


def _interpreter_finding() -> Iterator[Finding]:
    """Warn of a Python that the toolkit cannot start by its path."""
    from hqtrack.vot.workspace import needs_quotes

    if needs_quotes(sys.executable):
        yield Finding(
            "vot trackers",
            "note",
            f"the toolkit splits Python's path at its space: {sys.executable}",
            f"write python = {shlex.quote(sys.executable)} into each tracker's entry",
        )


def _toolkit_remedy(error: str) -> str:
    """Return what helps against the known ways in which the toolkit does not import."""
    if "dataclass_transform" in error:
        return 'pip install "attributee<0.1.10"'
    if missing := missing_library(error.removeprefix("ImportError: ")):
        return missing
    return 'pip install --force-reinstall "vot-toolkit>=0.9,<0.10"'


def check_trax() -> Iterator[Finding]:
    """Start a tracker process that echoes masks, and send it two frames as the toolkit would."""
    if find_spec("trax") is None:
        return  # the versions have said so
    remedy = 'pip install --force-reinstall "vot-trax>=4.0.2,<5"'
    try:
        import numpy as np
        import trax
        from trax.client import Client
    except (ImportError, OSError) as error:
        yield Finding("trax", "broken", str(error), remedy)
        return
    sent = np.zeros((6, 8), np.uint8)
    sent[2:5, 3:7] = 1
    process = subprocess.Popen(
        [sys.executable, "-m", "hqtrack.cli.trax_echo"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    watchdog = threading.Timer(TRAX_SECONDS, process.kill)
    watchdog.start()
    problem = ""
    try:
        client = Client((process.stdin.fileno(), process.stdout.fileno()), log=lambda _: None)
        frame = {"color": trax.FileImage.create(os.devnull)}
        client.initialize(frame, [(trax.Mask.create(sent), {})] * 2, {})
        start = time.perf_counter()
        replies, _ = client.frame(frame, objects=[])
        seconds = time.perf_counter() - start
        client.quit()
    except trax.TraxException as error:
        problem = str(error)
    finally:
        watchdog.cancel()
        process.kill()
        lines = process.communicate()[1].strip().splitlines()
    if problem:
        yield Finding("trax", "broken", ": ".join([problem, *lines[-1:]]), remedy)
        return
    if len(replies) == 2 and all(np.array_equal(region.array(True), sent) for region, _ in replies):
        yield Finding(
            "trax", "good", f"handshake, and two masks sent and received in {seconds * 1000:.1f} ms"
        )
    else:
        yield Finding("trax", "broken", "masks come back changed", remedy)


def check_codecs() -> Iterator[Finding]:
    """Write a short video with each codec worth having, and read it back."""
    working = [codec for codec in ("libx264", "mpeg4") if _video_round_trip(codec)]
    if "libx264" in working:
        yield Finding("video", "good", "H.264 is written and read")
    elif working:
        yield Finding(
            "video", "note", f"no H.264 encoder; {working[0]} works", "pip install --force-reinstall av"
        )
    else:
        yield Finding("video", "note", "no video can be written", "pip install --force-reinstall av")


def _video_round_trip(codec: str) -> bool:
    """Encode and decode five frames."""
    import av
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "probe.mp4")
        try:
            with av.open(path, "w") as container:
                stream = container.add_stream(codec, rate=25)
                assert isinstance(stream, av.VideoStream)
                stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
                for level in range(0, 200, 40):
                    picture = av.VideoFrame.from_ndarray(
                        np.full((64, 64, 3), level, np.uint8), format="rgb24"
                    )
                    container.mux(stream.encode(picture))
                container.mux(stream.encode())
            with av.open(path) as container:
                return sum(1 for _ in container.decode(video=0)) == 5
        except (av.error.FFmpegError, ValueError, OSError):
            return False


def check_display() -> Iterator[Finding]:
    """See whether a window could be opened, which only `hqtrack track --select` needs."""
    import cv2

    windows = "GUI:                           NONE" not in cv2.getBuildInformation()
    screen = sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if windows and screen:
        yield Finding("display", "good", "windows can be opened")
    else:
        found = "no screen" if windows else "OpenCV was built without windows"
        yield Finding("display", "note", found, "use --box, --point or --mask instead of --select")


CHECKS = (
    check_versions,
    check_devices,
    check_precision,
    check_backend,
    check_weights,
    check_cache,
    check_toolkit,
    check_trax,
    check_codecs,
    check_display,
)
"""The checks, in the order of the report."""
