"""The same program on every processor: what it can do is found, never assumed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from hqtrack import processor

LIMITS = [
    {"ONEDNN_MAX_CPU_ISA": limit, "ATEN_CPU_CAPABILITY": vectors}
    for limit, vectors in (
        ("SSE41", "default"),
        ("AVX2", "avx2"),
        ("AVX512_CORE", "avx2"),
        ("DEFAULT", "default"),
    )
]
"""Older processors, as far as this one has what they had: a limit above its own abilities changes nothing."""

RESIZERS = [
    {},
    {"OPENCV_IPP": "disabled"},
    {"OPENCV_IPP": "sse42"},
    {"OPENCV_IPP": "avx2"},
    {"OPENCV_CPU_DISABLE": "AVX2,AVX512-SKX"},
    {"OPENCV_CPU_DISABLE": "SSSE3,SSE4.1,SSE4.2,AVX,FP16,AVX2,FMA3,AVX512-SKX", "OPENCV_IPP": "disabled"},
]

HASHES = """
import hashlib
import cv2
import numpy as np
from hqtrack.images import resize_alike
from hqtrack.propagation.frame import resize_image
from hqtrack.refinement.windows import Window, cut, paste

y, x = np.mgrid[:180, :320]
waves = [np.sin(x / (5 + c)) * np.cos(y / (4 + c)) * 110 + (x * 7 + y * 13) % 19 for c in range(3)]
image = np.clip(np.stack(waves, -1) + 128, 0, 255).astype(np.uint8)
logits = (image[:64, :64, 0].astype(np.float32) - 128) / 7
results = [resize_image(image, size) for size in ((97, 161), (257, 465), (180, 161))]
results += [cut(image, window, 64) for window in (Window(9, 5, 300, 170), Window(-9, -5, 41, 40))]
results += [paste(logits, Window(9, 5, 300, 170), (180, 320))]
results += [resize_alike(image, (90, 101), way) for way in (cv2.INTER_AREA, cv2.INTER_LINEAR)]
results += [resize_alike(image, (270, 401), cv2.INTER_LINEAR)]
print(*(hashlib.sha256(np.ascontiguousarray(result).tobytes()).hexdigest() for result in results))
"""

FORKS = """
import os, sys
import torch  # takes long, and reads none of the variables

assert "cv2" not in sys.modules
for variables in VARIABLES:
    if os.fork() == 0:
        try:
            os.environ.update(variables)
            exec(CODE)
            sys.stdout.flush()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.wait()[1] == 0, variables
    print(END, flush=True)
"""
"""Runs code once for each set of variables, in processes that need not import PyTorch again."""

TRACK = """
import logging, sys
import numpy as np
import torch
from hqtrack import HQTrack, processor

print(torch.backends.cpu.get_cpu_capability())
print(processor.fastest_dtype(), processor.capability())
logging.basicConfig(stream=sys.stdout, format="%(message)s")
y, x = np.mgrid[:96, :128]
frames, masks = [], []
for step in range(4):
    disc = (x - 40 - 4 * step) ** 2 + (y - 48) ** 2 < 20**2
    frame = np.stack([(x * 3 + y) % 90, (x + 2 * y) % 80, (x * y) % 70], -1).astype(np.uint8)
    frame[disc] = (220, 160, 40)
    frames.append(frame)
    masks.append(disc)
for precision in ("float32", "bfloat16"):
    tracker = HQTrack.from_card("hqtrack-light", device="cpu", precision=precision)
    tracker.initialize(frames[0], [masks[0]])
    found = [tracker.track(frame)[0] for frame in frames[1:]]
    print("overlaps", *(float((a & b).sum() / (a | b).sum()) for a, b in zip(found, masks[1:])))
"""


COMMAND = "from hqtrack.cli import main; main()"


def run(code: str, variables: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, for these variables are read when libraries are loaded."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENCV_")}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**kept, "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        check=True,
    )


def run_with_each(code: str, each: Sequence[Mapping[str, str]]) -> list[list[str]]:
    """Return the lines that code prints with each set of variables."""
    if not hasattr(os, "fork"):
        return [run(code, variables).stdout.splitlines() for variables in each]
    end = "-- the next one"
    done = run(f"VARIABLES, CODE, END = {list(each)!r}, {code!r}, {end!r}\n{FORKS}", {})
    outputs = done.stdout.split(f"{end}\n")
    assert outputs.pop() == ""
    return [output.splitlines() for output in outputs]


@pytest.mark.slow
def test_frames_and_crops_are_the_same_bytes_on_every_processor() -> None:
    found = run_with_each(HASHES, RESIZERS)
    assert len(found) == len(RESIZERS)
    assert len({*map(tuple, found)}) == 1
    (line,) = found[0]
    assert len(line.split()) == 9


def assert_tracked(lines: list[str]) -> None:
    """Check the overlaps of three frames in float32, of which nothing is said, and then in bfloat16."""
    in_float32, *words, in_bfloat16 = lines
    assert all("bfloat16" in word for word in words)
    for line in (in_float32, in_bfloat16):
        heading, *overlaps = line.split()
        assert heading == "overlaps"
        assert len(overlaps) == 3
        assert min(map(float, overlaps)) > 0.9


@pytest.mark.slow
def test_four_frames_are_tracked_on_any_processor() -> None:
    found = run_with_each(TRACK, LIMITS)
    assert len(found) == len(LIMITS)
    for limits, (vectors, automatic, *lines) in zip(LIMITS, found, strict=True):
        if torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512"):  # which both limits are within
            assert vectors == limits["ATEN_CPU_CAPABILITY"].upper()
        assert_tracked(lines)
        if limits["ONEDNN_MAX_CPU_ISA"] == "AVX2":  # which has no products of bfloat16
            assert automatic.startswith("torch.float32 ")
            assert "oneDNN limited to AVX2" in automatic


@pytest.mark.slow
def test_four_frames_are_tracked_by_a_pytorch_without_onednn() -> None:
    without = "import torch\ntorch.backends.mkldnn.is_available = lambda: False\n"
    done = run(f"{without}torch._C._set_mkldnn_enabled(False)\n{TRACK}", {})
    assert_tracked(done.stdout.splitlines()[2:])


def test_auto_is_float32_without_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    processor.fuses_convolutions.cache_clear()
    try:
        assert not processor.fuses_convolutions(torch.float32)
        assert processor.fastest_dtype() == torch.float32
    finally:
        processor.fuses_convolutions.cache_clear()


@pytest.mark.slow
@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2"),
    reason="all tests run so here",
)
def test_networks_pass_their_quick_tests_with_avx2_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", "tests/nets"],
        cwd=Path(__file__).parents[1],
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "ONEDNN_MAX_CPU_ISA": "AVX2",
            "ATEN_CPU_CAPABILITY": "avx2",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.slow
def test_the_command_computes_in_bfloat16_without_its_products_and_says_so_once(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for step in range(4):
        frame = np.random.default_rng(3).integers(0, 50, (96, 128, 3)).astype(np.uint8)
        frame[30:60, 20 + 5 * step : 60 + 5 * step] = (40, 180, 230)
        cv2.imwrite(str(frames / f"{step}.png"), frame)
    out = tmp_path / "out"
    limits = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    done = run(
        COMMAND,
        limits,
        *("track", str(frames), "-o", str(out), "--box", "20,30,40,30", "--labels", "--no-overlay"),
        *("--precision", "bfloat16", "--device", "cpu"),
    )
    assert (done.stdout + done.stderr).count("does not compute it natively") == 1
    labels = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in sorted(out.rglob("*.png"))]
    assert len(labels) == 4
    assert all(label.any() for label in labels)


def test_auto_is_bfloat16_only_where_both_products_and_fused_convolutions_are_there() -> None:
    narrow = processor.has_bfloat16_products() and processor.fuses_convolutions(torch.bfloat16)
    assert processor.fastest_dtype() == (torch.bfloat16 if narrow else torch.float32)


@pytest.mark.parametrize("fault", ["missing", "refuses", "computes something else"])
def test_a_private_operator_that_does_not_work_is_not_used(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    def refuses(*_: object) -> torch.Tensor:
        raise RuntimeError("not on this processor")

    def forgets_the_activation(x: torch.Tensor, weight: torch.Tensor, *_: object) -> torch.Tensor:
        return torch.nn.functional.conv2d(x, weight, groups=x.shape[1] // weight.shape[1])

    operators = {"refuses": refuses, "computes something else": forgets_the_activation}
    replaced = type("mkldnn", (), {})()
    if fault in operators:
        replaced._convolution_pointwise = operators[fault]
    monkeypatch.setattr(torch.ops, "mkldnn", replaced)
    processor.fuses_convolutions.cache_clear()
    try:
        assert not processor.fuses_convolutions(torch.float32)
        assert not processor.has_bfloat16_products.__wrapped__()
    finally:
        processor.fuses_convolutions.cache_clear()


def test_resized_frames_are_those_of_opencv_but_for_rounding() -> None:
    from hqtrack.propagation.resizing import resize_bicubic

    image = np.random.default_rng(0).integers(0, 256, (90, 141, 3), dtype=np.uint8)
    for size in ((49, 65), (90, 81), (193, 145), (1, 1)):
        published = cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC)
        differences = np.abs(resize_bicubic(image, size).astype(int) - published)
        assert differences.max() <= 1


def test_a_plain_surface_stays_plain() -> None:
    from hqtrack.propagation.resizing import resize_bicubic

    for level in (0, 1, 127, 255):
        assert (resize_bicubic(np.full((7, 11, 3), level, np.uint8), (33, 5)) == level).all()


def test_no_frame_reaches_a_network_by_opencvs_own_resizing() -> None:
    package = Path(processor.__file__).parent
    rooms = [package / room for room in ("nets", "propagation", "refinement", "engines")]
    files = [package / "training" / "teacher.py", *(file for room in rooms for file in room.rglob("*.py"))]
    assert [file.name for file in files if "cv2.resize(" in file.read_text("utf-8")] == []


def test_no_fast_operator_is_called_without_asking() -> None:
    package = Path(processor.__file__).parent
    private = [
        path.name
        for path in package.rglob("*.py")
        if "torch.ops.mkldnn" in path.read_text("utf-8") and "processor" not in path.read_text("utf-8")
    ]
    assert private == []
