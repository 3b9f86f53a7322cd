"""A small file of every format that objects are read from, and what Hypothesis makes of it."""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from hostile.corruptions import corrupted
from hostile.media import SIZE
from hqtrack.masks import MAX_ID, rle_encode
from hqtrack.video.corrections import Correction, read_correction
from hqtrack.video.prompts import FORMATS, FrameNames, numbered, read_prompts

HEIGHT, WIDTH = SIZE
STEMS = [f"{index:05d}" for index in range(6)]
BLOCK = np.zeros(SIZE, bool)
BLOCK[4:12, 6:20] = True
OUTLINE = [6.5, 4, 20, 4.5, 20, 12, 6, 12]
POINTS = [list(pair) for pair in zip(OUTLINE[::2], OUTLINE[1::2], strict=True)]


def _array(values: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


_RUNS = rle_encode(BLOCK)
_IMAGE = {"id": 7, "file_name": "00001.jpg", "height": HEIGHT, "width": WIDTH}
_CATEGORY = {"id": 3, "name": "cat", "color": [1, 2, 3]}
_VIA = [
    {"name": "polygon", "all_points_x": OUTLINE[::2], "all_points_y": OUTLINE[1::2]},
    {"name": "ellipse", "cx": 9, "cy": 9, "rx": 4, "ry": 3, "theta": 0.3},
]
_STUDIO = [
    {"type": "rectanglelabels", "value": {"x": 9, "y": 9, "width": 40, "height": 40, "rotation": 9}},
    {"type": "polygonlabels", "value": {"points": POINTS, "polygonlabels": ["cat"]}},
    {
        "type": "brushlabels",
        "original_width": WIDTH,
        "value": {"rle": [0, 0, 12, 0, 58, 1, 2, 3], "labels": ["x"]},
    },
    {
        "type": "videorectangle",
        "id": "a",
        "value": {"sequence": [{"frame": 1, "x": 9, "y": 9, "width": 40, "height": 40, "enabled": True}]},
    },
]

_JSON: dict[str, Any] = {
    "coco.json": {
        "images": [_IMAGE],
        "categories": [_CATEGORY],
        "annotations": [
            {"image_id": 7, "category_id": 3, "segmentation": _RUNS, "track_id": 2},
            {"image_id": 7, "category_id": 3, "segmentation": [OUTLINE], "attributes": {"track_id": 4}},
        ],
    },
    "results.json": [{"image_id": 1, "category_id": 3, "bbox": [3, 4, 9, 9.5], "score": 0.5}],
    "youtube.json": {
        "videos": [{"id": 1, "file_names": ["a/00000.jpg", "a/00001.jpg"], "height": HEIGHT, "width": WIDTH}],
        "categories": [_CATEGORY],
        "annotations": [
            {
                "id": 5,
                "video_id": 1,
                "category_id": 3,
                "segmentations": [None, _RUNS],
                "bboxes": [None, [1, 2, 3, 4]],
            }
        ],
    },
    "masklets.json": {"masklet": [[_RUNS, _RUNS], [_RUNS, _RUNS]], "masklet_id": [0, 1]},
    "labelme.json": {
        "imagePath": "00001.jpg",
        "imageWidth": WIDTH,
        "imageHeight": HEIGHT,
        "shapes": [
            {"label": "cat", "shape_type": kind, "points": points, "group_id": group}
            for kind, points, group in (
                ("polygon", POINTS, None),
                ("circle", POINTS[:2], 1),
                ("rectangle", POINTS[:2], 1),
                ("point", POINTS[:1], 2),
            )
        ],
    },
    "studio.json": [{"data": {"image": "/data/00001.jpg"}, "annotations": [{"result": _STUDIO}]}],
    "via.json": {
        "a.jpg9": {
            "filename": "00001.jpg",
            "regions": [{"shape_attributes": each, "region_attributes": {"label": "cat"}} for each in _VIA],
        }
    },
}

_TEXTS = {
    "cvat.xml": (
        "<annotations><meta><task><start_frame>0</start_frame><stop_frame>9</stop_frame>"
        "<frame_filter>step=2</frame_filter></task></meta>"
        f'<image name="00001.jpg" width="{WIDTH}" height="{HEIGHT}">'
        '<box label="a" xtl="3" ytl="4" xbr="19.5" ybr="20" rotation="9" group_id="1"/>'
        '<polygon label="b" points="3,4;19,4;19,20"/><ellipse label="c" cx="9" cy="9" rx="4" ry="4"/></image>'
        '<track id="1" label="d"><mask frame="2" outside="0" left="3" top="4" width="4" height="3" '
        'rle="2,5,5"/><points frame="4" points="3,4"/></track></annotations>'
    ),
    "voc.xml": (
        "<annotation><filename>00001.jpg</filename><size><width>32</width><height>24</height></size><object>"
        "<name>cat</name><bndbox><xmin>4</xmin><ymin>5</ymin><xmax>19</xmax><ymax>20</ymax></bndbox></object>"
        "<object><name>b</name><polygon><pt><x>3</x><y>4</y></pt><pt><x>9</x><y>4</y></pt><pt><x>9</x><y>9.5</y>"
        "</pt></polygon></object></annotation>"
    ),
    "00001.txt": "0 0.5 0.5 0.25 0.5 0.9 3\n1 0.2 0.2 0.8 0.2 0.8 0.8\n",
    "00002.txt": "0 0.5 0.5 0.25 0.5 0.4 0.4 2 0.5 0.5 0\n",
    "mot.txt": "1,1,3,4,9,9,1,1,0.5\n2,1,4,4,9,9,1,1,0.5\n1,2,13,4,9,9,1,1,0.5\n",
    "groundtruth.txt": "nan,nan,nan,nan\n3,4,9,9\nm3,4,4,3,2,5,5\n3,4,9,4,9,12,3,12\n",
    "boxes.csv": "frame,object,x,y,width,height,name,colour\n0,4,3,4,9,9,cat,#102030\n00001.jpg,4,3,4,9,9\n",
    "european.csv": "filename;id;xmin;ymin;xmax;ymax\n00001.jpg;4;3,5;4;9;9,25\n",
}

SAMPLES: dict[str, bytes] = {
    **{name: json.dumps(content).encode() for name, content in _JSON.items()},
    **{name: text.encode() for name, text in _TEXTS.items()},
    "labels.npy": _array(3 * BLOCK.astype(np.uint8)),
    "masks.npy": _array(np.stack([BLOCK, ~BLOCK]) * np.float32(0.9)),
}
"""Whole files by their names."""

_TOKEN = re.compile(r'"[^"]*"|-?\d+(?:\.\d+)?|true|false|null|[A-Za-z_]+|[,;\[\]{}:]')

_ODD = (
    *("0", "1", "-1", "3", "0.5", "-1e9", "1e999", "NaN", "Infinity", "9" * 25, "2147483648", "9" * 4400),
    *('""', '"x"', '"\\u0000"', '"\\ud800"', '"00001.jpg"', "null", "true", "[]", "{}", "[[1, 2]]", "[1]"),
    *(
        '{"size": [24, 32], "counts": "0"}',
        '{"size": [1e9, 1e9], "counts": [1]}',
        ",",
        ";",
        "\n",
        " ",
        "",
        "m",
    ),
    *("٣", "²", "\x00", "\ufeff"),
)
"""What stands in the place of a number, a text or a list."""


@st.composite
def files(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file of a format of which one to three values, or some bytes, are something else."""
    name = draw(st.sampled_from(sorted(SAMPLES)))
    content = SAMPLES[name]
    if name.endswith(".npy") or draw(st.integers(0, 3)) == 0:
        return name, corrupted(content, draw(st.integers(0, 2**31)))
    text = content.decode()
    for _ in range(draw(st.integers(1, 3))):
        tokens = list(_TOKEN.finditer(text))
        if tokens:
            token = draw(st.sampled_from(tokens))
            odd = draw(st.sampled_from(_ODD) | st.sampled_from(tokens).map(lambda other: other[0]))
            text = text[: token.start()] + odd + text[token.end() :]
    return name, text.encode("utf-8", "surrogatepass")


_values = st.sampled_from([0, 1, 2, 0.5, -1, 255, 256, 70000, 2**40, float("nan"), float("inf"), 1e300])


@st.composite
def arrays(draw: st.DrawFn) -> tuple[str, bytes]:
    """A NumPy file of any shape and kind of numbers."""
    shape = draw(
        st.lists(st.sampled_from([0, 1, 2, 6, 7, HEIGHT, WIDTH, 300]), max_size=4).filter(
            lambda sides: np.prod(sides, dtype=float) < 1e6
        )
    )
    kind = draw(st.sampled_from(["?", "u1", "i2", "u8", "i8", "f2", "f4", "f8", "c8", "U3", "M8[s]", ">f4"]))
    values = np.zeros(shape, kind)
    if kind[-2:] in ("u1", "i2", "u8", "i8", "f2", "f4", "f8") and values.size:
        with np.errstate(all="ignore"):
            picked = np.array(draw(st.lists(_values, min_size=1, max_size=4)))
            values[...] = np.resize(np.nan_to_num(picked) if kind[-2] in "iu" else picked, shape).astype(kind)
    return draw(st.sampled_from(["a.npy", "00001.npy"])), _array(values)


anything = st.tuples(
    st.sampled_from(sorted({suffix for each in FORMATS for suffix in each.suffixes})).map(
        lambda s: f"00002{s}"
    ),
    st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")),
)


def _saved(use: Callable[[Path, FrameNames], object]) -> Callable[[tuple[str, bytes]], None]:
    def case(drawn: tuple[str, bytes]) -> None:
        name, content = drawn
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            for frames in (FrameNames(STEMS, range(6), 6), FrameNames()):
                use(path, frames)

    return case


def _read(path: Path, frames: FrameNames) -> None:
    for prompt in numbered(read_prompts(masks=[path], start=0, size=SIZE, frames=frames)):
        assert frames.reads(prompt.frame)
        assert prompt.id is not None
        assert 1 <= prompt.id <= MAX_ID
        if prompt.mask is not None:
            assert prompt.mask.shape == SIZE
            assert prompt.mask.dtype == bool
            assert prompt.mask.any()
        elif prompt.box is not None:
            x, y, width, height = prompt.box
            assert min(x, y) >= 0
            assert x + width <= WIDTH
            assert y + height <= HEIGHT
        else:
            assert prompt.points
        assert json.loads(json.dumps(prompt.as_json())), "the record of the run holds it"


def _correct(path: Path, frames: FrameNames) -> None:
    correction = read_correction(f"frame=1,object=4,mask={path}", SIZE, frames=frames)
    assert isinstance(correction, Correction)
    assert correction.frame == 1


read_files = _saved(_read)
correct_with_files = _saved(_correct)
