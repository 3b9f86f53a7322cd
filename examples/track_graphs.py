"""Track objects with the graphs that `hqtrack export` writes: NumPy, ONNX Runtime and Pillow, no PyTorch.

    python track_graphs.py GRAPHS FRAMES FIRST.png OUT

GRAPHS is the folder of `hqtrack export vmos-light -o GRAPHS`. FRAMES holds pictures of one size. FIRST.png
holds the masks of the first one; its values 1 to 10 are objects. OUT gets a mask for each frame. This is all
that there is around the networks, so it can be ported to C++ or a browser. It has none of the card's rules,
guided outlines and refiner.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

FORMAT = 1
CUBIC = -0.75
"""The cubic's free parameter."""
FRACTION_BITS = 20
"""Of the cubic's weights: every sum is exact, and the same on every processor."""

Array = np.ndarray[Any, Any]


class GraphTracker:
    """Tracks up to ten objects; labels are (H, W) uint8, 0 the background.

    Args:
        folder: Graphs and `system.json`.
        threads: Of ONNX Runtime; 0 takes all cores.
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self.system = json.loads((folder / "system.json").read_text("utf-8"))
        if self.system["format"] != FORMAT:
            raise SystemExit(f"{folder}: format {self.system['format']}, not {FORMAT}; export the card anew")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.graphs = {}
        for name, graph in self.system["graphs"].items():
            content = (folder / graph["file"]).read_bytes()
            if hashlib.sha256(content).hexdigest() != graph["sha256"]:
                raise SystemExit(
                    f"{folder / graph['file']}: is not the file that was exported; export the card anew"
                )
            self.graphs[name] = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        memory = self.system["memory"]
        self.gap = memory["long_term_gap"]
        self.known: list[list[Array]] = []  # frames whose masks were given
        self.kept: deque[list[Array]] = deque(maxlen=memory["long_term_slots"])
        self.recent: deque[list[Array]] = deque(maxlen=memory["short_term_distance"])
        self.count = 0

    def refer(self, image: Array, labels: Array) -> None:
        """Take a frame (H, W, 3) uint8 with given labels of all objects: the first, or a later one."""
        self.count = max(self.count, int(labels.max()))
        assert self.count <= self.system["max_objects"], (
            "this many objects need a second group of networks' calls"
        )
        features = self._encode(image)
        memory = self._call("reference", *features, self._masks(shrink(labels, self._grid(image))))
        self.known.append(memory)
        self.recent.clear()
        self.recent.append(memory)
        self.since_kept = 0

    def track(self, image: Array) -> Array:
        """Return the labels of the next frame (H, W, 3) uint8."""
        features = self._encode(image)
        nothing = [part[:, :, :0] for part in self.known[0]]
        known, kept = joined(self.known), joined([nothing, *self.kept])
        found = self._call("propagate", *features, *known, *kept, *self.recent[0])
        names = self.system["graphs"]["propagate"]["outputs"]
        embeddings = [part for name, part in zip(names, found, strict=True) if name.startswith("embedding")]
        identities = np.arange(self.count + 1, dtype=np.int64)[None]
        logits = self._call("decode", *features, *embeddings, identities)[0][0]
        labels = resize_bilinear(logits, image.shape[:2], self.system["input"]["align_corners"]).argmax(0)
        masks = self._masks(nearest(labels.astype(np.uint8), self._grid(image)))
        memory = self._call("memorize", *found[len(embeddings) :], masks)
        self.recent.append(memory)
        self.since_kept += 1
        if self.since_kept == self.gap:
            self.since_kept = 0
            self.kept.append(memory)
        return labels.astype(np.uint8)

    def _call(self, name: str, *tensors: Array) -> list[Array]:
        graph = self.graphs[name]
        return graph.run(None, dict(zip((i.name for i in graph.get_inputs()), tensors, strict=True)))

    def _encode(self, image: Array) -> list[Array]:
        pixels = resize_bicubic(image, self._grid(image)).astype(np.float32) / 255
        mean, std = (np.array(self.system["input"][name], np.float32) for name in ("mean", "std"))
        return self._call("encode", np.ascontiguousarray(((pixels - mean) / std).transpose(2, 0, 1)[None]))

    def _grid(self, image: Array) -> tuple[int, int]:
        """Return the size at which the networks see a frame: sides on a grid, not longer than the limit."""
        given = self.system["input"]
        sides, offset = image.shape[:2], int(given["align_corners"])
        scale = max(1.0, given["min_short_edge"] / min(sides))
        longest = scale * max(sides)
        scale *= given["max_long_edge"] / longest if longest > given["max_long_edge"] else 1.0
        steps = [max(1, round((int(scale * side) - offset) / given["stride"])) for side in sides]
        return steps[0] * given["stride"] + offset, steps[1] * given["stride"] + offset

    def _masks(self, labels: Array) -> Array:
        """Return one-hot masks (1, identities, h, w), background first."""
        identities = np.arange(self.system["max_objects"] + 1)[:, None, None]
        return (labels == identities)[None].astype(np.float32)


def joined(frames: list[list[Array]]) -> list[Array]:
    """Put the memories of frames side by side."""
    return [np.concatenate(parts, axis=2) for parts in zip(*frames, strict=True)]


def resize_bicubic(image: Array, size: tuple[int, int]) -> Array:
    """Resize (H, W, 3) uint8; the middles of both pictures coincide, and borders are repeated."""
    if image.shape[:2] == size:
        return image
    rows, columns = (cubic(length, count) for length, count in zip(image.shape[:2], size, strict=True))
    lines = np.tensordot(rows, image.astype(np.float64), (1, 0))
    return np.rint(np.tensordot(lines, columns, (1, 1))).clip(0, 255).astype(np.uint8).transpose(0, 2, 1)


def cubic(length: int, count: int) -> Array:
    """Return the matrix (count, length) that makes `count` samples out of `length`."""
    places = (np.arange(count) + 0.5) * length / count - 0.5
    taps = np.floor(places).astype(np.int64)[:, None] + np.arange(-1, 3)
    away = np.abs(places[:, None] - taps)
    near = ((CUBIC + 2) * away - (CUBIC + 3)) * away * away + 1
    far = (((away - 5) * away + 8) * away - 4) * CUBIC
    weights = np.rint(np.where(away < 1, near, far) * 2**FRACTION_BITS)
    weights[:, 1] += 2**FRACTION_BITS - weights.sum(1)
    matrix = np.zeros((count, length))
    np.add.at(matrix, (np.arange(count)[:, None], taps.clip(0, length - 1)), weights / 2**FRACTION_BITS)
    return matrix


def resize_bilinear(maps: Array, size: tuple[int, int], align_corners: bool) -> Array:
    """Resize (S, h, w) float32."""
    for axis, count in zip((1, 2), size, strict=True):
        length = maps.shape[axis]
        place = np.arange(count, dtype=np.float32)
        if align_corners:
            place = place * np.float32((length - 1) / max(1, count - 1))
        else:
            place = ((place + np.float32(0.5)) * np.float32(length / count) - np.float32(0.5)).clip(0)
        before = place.astype(np.int64).clip(0, length - 1)
        share = (place - before).reshape([-1 if each == axis else 1 for each in range(3)])
        first, second = maps.take(before, axis), maps.take((before + 1).clip(0, length - 1), axis)
        maps = first + (second - first) * share
    return maps


def nearest(labels: Array, size: tuple[int, int]) -> Array:
    """Resize labels (H, W), each pixel from the nearest."""
    rows, columns = (
        (np.arange(count) * (own / count)).astype(int) for own, count in zip(labels.shape, size, strict=True)
    )
    return labels[rows[:, None], columns]


def shrink(labels: Array, size: tuple[int, int]) -> Array:
    """Resize given labels (H, W); an object without a pixel in the result gets the one at its middle."""
    small = nearest(labels, size)
    for label in set(np.unique(labels)) - set(np.unique(small)):
        places = np.argwhere(labels == label)
        row, column = places[((places - places.mean(0)) ** 2).sum(1).argmin()]
        small[row * size[0] // labels.shape[0], column * size[1] // labels.shape[1]] = label
    return small


def main(graphs: str, frames: str, first: str, out: str) -> None:
    """Track through a folder of pictures."""
    tracker, folder = GraphTracker(Path(graphs)), Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    labels = np.asarray(Image.open(first))
    for index, path in enumerate(sorted(Path(frames).iterdir())):
        image = np.asarray(Image.open(path).convert("RGB"))
        if index == 0:
            tracker.refer(image, labels)
        else:
            labels = tracker.track(image)
        Image.fromarray(labels).save(folder / f"{path.stem}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
