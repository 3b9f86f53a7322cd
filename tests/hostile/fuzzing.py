"""What reads foreign bytes, and what Hypothesis makes for it."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from hostile import annotation_files
from hostile.corruptions import corrupted
from hostile.media import mask, picture
from hostile.strategies import SIZE, anything, prompts, run_lengths, tables
from hqtrack.cards import Card, card_from_table, read_card
from hqtrack.errors import HQTrackError, InputError
from hqtrack.evaluation.cluster import existing_cluster
from hqtrack.evaluation.experiments import read_scores
from hqtrack.evaluation.results import trajectory_length
from hqtrack.images import read_image
from hqtrack.masks import rle_decode
from hqtrack.training.datasets import read_dataset
from hqtrack.video.corrections import Correction, read_correction
from hqtrack.video.editing import check_edits, read_edits
from hqtrack.video.job import default_folder
from hqtrack.video.job_file import job_of, read_job_file
from hqtrack.video.objects import TrackedObject
from hqtrack.video.presence import is_stream, parsed_reference, split_address
from hqtrack.video.prompts import read_prompts
from hqtrack.video.timecode import frame_number
from hqtrack.vot.__main__ import settings_from
from hqtrack.web.guard import Guard
from hqtrack.web.store import Store

Case = Callable[[Any], object]


class Target(NamedTuple):
    """A parser with what it is given; it must return something right, or raise one of our errors."""

    values: st.SearchStrategy[Any]
    read: Case


def _in_folder(read: Callable[[Path, Any], object]) -> Case:
    """Make a folder for one case."""

    def case(value: Any) -> object:
        with tempfile.TemporaryDirectory() as folder:
            return read(Path(folder), value)

    return case


# TraX replies, and what the toolkit keeps of them

TRAJECTORY = (
    b"\x01\x00\x03\x00\x00\x00" + b"\x00\x01\x00\x00\x00" + b"\x01" + bytes(16) + b"\x02\x03\x00" + bytes(24)
)


def _count_regions(content: bytes) -> None:
    try:
        count = trajectory_length(content)
    except ValueError:
        return
    assert 0 <= count <= len(content)


replies = st.binary(max_size=200) | st.integers(0, 2**31).map(lambda seed: corrupted(TRAJECTORY, seed))

# Cards


def _read_card(folder: Path, content: bytes) -> None:
    path = folder / "mine.toml"
    path.write_bytes(content)
    assert isinstance(read_card(path), Card)


CARD = b"""name = "mine"
title = "a system"
network = "vmos"
max_long_edge = 640
[weights]
file = "mine.pth"
origin = "published"
[memory]
long_term_slots = 5
[rules]
motion_prior = true
"""

# Annotations of training data and of prompts

files = st.sampled_from(
    ["list.txt", "a/sequence", "a/groundtruth.txt", "meta.json", "annotations_train.json", "train.txt"]
)
DATASETS = ("vot", "youtube-vos", "ovis", "davis2017", "vipseg", "burst", "mots")


def _read_dataset(folder: Path, drawn: tuple[str, list[tuple[str, Any]]]) -> None:
    name, contents = drawn
    (folder / "a").mkdir()
    (folder / "train").mkdir()
    for file, content in contents:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    for video in read_dataset(name, folder):
        video.frame(0)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["videos", "annotations", "objects", "frames", "file_names", "id", "video_id"])
            | st.sampled_from(["segmentations", "sequences", "size", "counts", "height", "width", "a"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def _read_mask_folder(folder: Path, drawn: list[tuple[str, int]]) -> None:
    for name, seed in drawn:
        (folder / name).write_bytes(corrupted(mask(".png"), seed) if seed else mask(".png"))
    found = read_prompts(masks=[folder], start=0, size=(24, 32))
    assert all(each.mask is not None and each.mask.any() for each in found)


def _read_picture(folder: Path, drawn: tuple[str, int]) -> None:
    suffix, seed = drawn
    path = folder / f"frame{suffix}"
    path.write_bytes(corrupted(picture(suffix), seed))
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image.ndim == 3


corrections = st.one_of(
    prompts.map(lambda text: f"object=1,{text}"),
    st.tuples(st.integers(), st.integers(), st.text(max_size=12)).map(
        lambda parts: f"frame={parts[0]},object={parts[1]},{parts[2]}"
    ),
)


def _read_correction(text: str) -> None:
    assert isinstance(read_correction(text, SIZE), Correction)


def _read_scores(folder: Path, content: bytes) -> None:
    path = folder / "scores.csv"
    path.write_bytes(content)
    read_scores(path)


scores = st.binary(max_size=80) | st.lists(
    st.lists(st.sampled_from(["hqtrack", "0.5", "nan", "-1", "", '"', "\0", "1e999"]), max_size=8),
    max_size=4,
).map(lambda rows: "\n".join(["tracker,AUC,A,R", *(",".join(row) for row in rows)]).encode())


def _read_scheduler(folder: Path, content: bytes) -> None:
    path = folder / "scheduler.json"
    path.write_bytes(content)
    with existing_cluster(str(path)):
        raise AssertionError("there is no scheduler")


schedulers = st.binary(max_size=40) | json_values.map(lambda value: json.dumps(value).encode())

# Job files, edits, references and addresses, as people write them


def _read_jobs(folder: Path, drawn: tuple[str, bytes]) -> None:
    suffix, content = drawn
    path = folder / f"jobs{suffix}"
    path.write_bytes(content)
    for entry in read_job_file(path, {"csv", "labels"}, {"box", "mask"}):
        job = job_of(entry, "job 1", folder, {"csv", "labels"})
        assert job.source
        assert all("\0" not in word for word in (job.source, job.out, *job.options))


_cells = st.sampled_from(["a.mp4", "", "yes", "1,2,3,4", "1,2,3,4;5,6,7,8", '"', "\0", "input", "9" * 400])
jobs = st.tuples(
    st.sampled_from([".csv", ".json", ".CSV"]),
    st.binary(max_size=80)
    | st.lists(st.lists(_cells, max_size=4), max_size=3).map(
        lambda rows: "\n".join(["input,output,box,csv", *(",".join(row) for row in rows)]).encode()
    )
    | st.lists(
        st.dictionaries(st.sampled_from(["input", "output", "csv", "box", "x"]), _cells | json_values),
        max_size=2,
    ).map(lambda entries: json.dumps(entries).encode()),
)

_numbers = st.integers(0, 99).map(str) | st.sampled_from(["", "x", "-1", "9" * 400, "\u0661", "\u00b2"])
edits = st.lists(
    st.tuples(_numbers, _numbers, st.sampled_from(["", ",frame=", ",from=", ",", ",x=", "=a"]), _numbers).map(
        lambda parts: f"{parts[0]},{parts[1]}{parts[2]}{parts[3]}"
    )
    | st.text(max_size=12),
    max_size=2,
)


def _frame(text: str) -> int:
    number = frame_number(text)
    if number is None:
        raise InputError(f"{text[:20]} is no frame")
    return number


def _read_edits(texts: list[str]) -> None:
    for kind in range(4):
        given = [texts if place == kind else [] for place in range(4)]
        try:
            found = read_edits(*given, _frame)
            check_edits(found, [TrackedObject(1), TrackedObject(2), TrackedObject(3)], 0, 99)
        except HQTrackError as error:
            assert "\n" not in str(error), error


references = st.text(max_size=20) | st.tuples(
    st.sampled_from(["a.jpg", "", "a,b.jpg"]),
    st.sampled_from([",m.png", ",", "", ",m.png,object=", ",m.png,x="]),
    _numbers,
).map("".join)

addresses = st.tuples(
    st.sampled_from(["http://", "rtsp://", "udp://", "https://u:p@"]),
    st.text(max_size=12) | st.sampled_from(["[", "[::1", "a]", "a:99999999", "a:x/", "\u2100", "//"]),
).map("".join)


def _read_address(text: str) -> None:
    assert is_stream(text)
    split_address(text)
    assert default_folder(text).name.endswith("-hqtrack")


# Headers of requests to the page

HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

hosts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["127.0.0.1", "localhost", "[::1]", "evil.example"]),
    st.tuples(
        st.sampled_from(["", "evil.example@", "http://", " ", "[", "x."]),
        st.sampled_from(["127.0.0.1", "localhost", "[::1]"]),
        st.sampled_from(["", ":80", ":99999999", "/evil", "?x", "#x", "]", ".evil.example", "\t"]),
    ).map("".join),
)
header_lists = st.lists(
    st.tuples(
        st.sampled_from([b"host", b"origin", b"cookie", b"content-length", b"sec-fetch-site", b"referer"]),
        hosts.map(lambda text: text.encode(errors="surrogatepass")) | st.binary(max_size=30),
    ),
    max_size=4,
)


def _ask_guard(headers: list[tuple[bytes, bytes]]) -> None:
    let_in = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        let_in.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/", "method": "GET", "headers": headers}
    asyncio.run(Guard(behind, hosts=HOSTS, password=None, upload_path=r"/upload/\w+")(scope, receive, send))
    assert sent[0]["status"] in (200, 400, 403)
    given = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if let_in:
        assert len(given) == 1
        name = given[0].rsplit(":", 1)[0] if not given[0].endswith("]") else given[0]
        assert name.lower() in ("127.0.0.1", "localhost", "[::1]"), given


# Uploads


class _Upload(NamedTuple):
    names: list[str]
    contents: list[bytes]


def _upload(folder: Path, uploads: list[tuple[str, bytes]]) -> None:
    limit = 64
    store = Store(folder / "sessions", folder, upload_limit=limit)
    name = store.uploads.expect("me")

    async def chunks(content: bytes) -> AsyncIterator[bytes]:
        for place in range(0, len(content), 7):
            yield content[place : place + 7]

    kept = 0
    for file, content in uploads:
        try:
            asyncio.run(store.uploads.receive("me", name, file, chunks(content)))
        except InputError:
            continue
        kept += 1
    there = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    assert len(there) == kept, "an upload replaced another, or left something"
    assert sum(path.stat().st_size for path in there) <= limit
    assert all(path.is_relative_to(store.folder / name) and len(path.name.encode()) < 256 for path in there)
    store.uploads.forget(name)
    shutil.rmtree(folder / "sessions")


uploads = st.lists(
    st.tuples(
        st.tuples(
            st.text(max_size=12)
            | st.sampled_from(["../x", "/etc/x", "a b", "a+b", "." * 9, "\0", "😀" * 90, "A"]),
            st.sampled_from([".png", ".PNG", ".mp4", ".jpg", "", ".exe", ".toml"]),
        ).map("".join),
        st.binary(max_size=40),
    ),
    max_size=5,
)

# The environment of a tracker

settings = st.dictionaries(
    st.sampled_from(["HQTRACK_CARD", "HQTRACK_RULES", "HQTRACK_LONG_TERM_GAP", "HQTRACK_X", "HQTRACK_"]),
    st.text(max_size=12),
    max_size=3,
)


TARGETS: dict[str, Target] = {
    "TraX replies": Target(replies, _count_regions),
    "TraX settings": Target(settings, settings_from),
    "card tables": Target(tables(), lambda table: card_from_table(table, "mine.toml")),
    "card files": Target(
        st.binary(max_size=200) | st.integers(0, 2**31).map(lambda seed: corrupted(CARD, seed)),
        _in_folder(_read_card),
    ),
    "annotations of data sets": Target(
        st.tuples(
            st.sampled_from(DATASETS),
            st.lists(st.tuples(files, json_values | st.binary(max_size=60)), max_size=4),
        ),
        _in_folder(_read_dataset),
    ),
    "annotations of tools": Target(annotation_files.files(), annotation_files.read_files),
    "arrays": Target(annotation_files.arrays(), annotation_files.read_files),
    "files named like annotations": Target(annotation_files.anything, annotation_files.read_files),
    "annotations in corrections": Target(annotation_files.files(), annotation_files.correct_with_files),
    "folders of masks": Target(
        st.lists(
            st.tuples(
                st.sampled_from(["0000.png", "0001.png", "a.png", "b_mask.png", "x.jpg"]),
                st.integers(0, 2**31),
            ),
            max_size=3,
        ),
        _in_folder(_read_mask_folder),
    ),
    "pictures": Target(
        st.tuples(st.sampled_from([".png", ".jpg", ".webp", ".tif", ".bmp"]), st.integers(0, 2**31)),
        _in_folder(_read_picture),
    ),
    "corrections": Target(corrections, _read_correction),
    "run lengths": Target(run_lengths | anything, rle_decode),
    "tables of scores": Target(scores, _in_folder(_read_scores)),
    "scheduler files": Target(schedulers, _in_folder(_read_scheduler)),
    "job files": Target(jobs, _in_folder(_read_jobs)),
    "edits": Target(edits, _read_edits),
    "references": Target(references, parsed_reference),
    "addresses of streams": Target(addresses, _read_address),
    "headers": Target(header_lists, _ask_guard),
    "uploads": Target(uploads, _in_folder(_upload)),
}
"""Parsers of foreign bytes by what they read."""


def attempt(target: Target, value: Any) -> None:
    """Call a parser with a value; an error of ours is a right answer if it is one line."""
    try:
        target.read(value)
    except HQTrackError as error:
        assert str(error)
        assert "\n" not in str(error), str(error)
