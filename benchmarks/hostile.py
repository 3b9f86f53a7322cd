"""Attack the program: broken files, senseless arguments, lying servers, and kill -9 at random moments.

    python benchmarks/hostile.py                          everything, some minutes
    python benchmarks/hostile.py --only track --seed 7    one area
    python benchmarks/hostile.py --only fuzzing --minutes 600    with ever new seeds, for hours
    python benchmarks/hostile.py --write                  put the table into docs/reliability.md

Each case ends in one of three ways. *Clear error*: refused in a line that says what is wrong. *Recovered*:
the result is what it should be; after a kill, the same command (with `--resume` where the program advises it)
gives what an uninterrupted run gives. *Bad*: anything else: a traceback, a hang, something lost or wrong.

What runs a case is in `hostile_cases.py`. Areas of single options of `hqtrack track`, of the commands `edit`,
`batch` and `export`, and of streams are in `hostile_options.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hostile_options
from hostile_cases import (
    CONTEXT,
    OUTPUTS,
    ROOT,
    Ended,
    Tally,
    examples,
    files_of,
    hqtrack_command,
    judged,
    labels_of,
    mean_iou,
    must_be_refused,
    next_command,
    refuse_all,
    run,
    say,
    tracked_whole,
    write_clip,
)

sys.path.insert(0, str(ROOT / "tests"))

TABLE = ROOT / "docs" / "reliability.md"

# --- what parses


def parsers(tally: Tally, seed: int, scale: float) -> None:
    """Cards, prompts, run lengths."""
    from hostile import test_parsers
    from hqtrack.cards import card_from_table
    from hqtrack.masks import rle_decode
    from hqtrack.video.prompts import read_box, read_object, read_point

    def prompt(text: str) -> None:
        for read in (read_box, read_point):
            with contextlib.suppress(ValueError):
                read(text, test_parsers.SIZE)
        read_object(text, 0, test_parsers.SIZE)

    count = int(60 * scale)
    examples(
        tally, "card", test_parsers.tables(), count, seed, lambda table: card_from_table(table, "mine.toml")
    )
    examples(tally, "prompt", test_parsers.prompts, count, seed, prompt)
    examples(tally, "run lengths", test_parsers.run_lengths, count, seed, rle_decode)


def headers(tally: Tally, seed: int, scale: float) -> None:
    """Servers that lie about what they send."""
    from hypothesis import strategies as st

    from hostile import test_downloads
    from hqtrack.cards import Weights
    from hqtrack.zoo import downloads

    downloads.ATTEMPTS, downloads.TIMEOUT_SECONDS = 2, 1.0
    with tempfile.TemporaryDirectory() as folder, test_downloads.lying() as server:
        url = f"http://127.0.0.1:{server.server_port}/model.pth"

        def pull(chosen: tuple[int, dict[str, str], float]) -> None:
            server.status, server.said, server.share = chosen
            shutil.rmtree(folder, ignore_errors=True)
            weights = Weights(file="model.pth", origin="published", url=url)
            path = downloads.pull(weights, folder=Path(folder))
            assert path.read_bytes() == test_downloads.CONTENT, "another file became weights"

        chosen = st.tuples(
            st.sampled_from([200, 206, 301, 404, 416, 500]),
            test_downloads.headers,
            st.sampled_from([1.0, 0.5, 0.0]),
        )
        examples(tally, "server", chosen, int(50 * scale), seed, pull)


# --- broken files


def files(tally: Tally, seed: int, scale: float) -> None:
    """Pictures, masks, videos, checkpoints."""
    from hostile import media
    from hostile.corruptions import corrupted
    from hqtrack.images import read_image
    from hqtrack.video.prompts import read_label_image
    from hqtrack.video.sources import open_frames
    from hqtrack.zoo import read_checkpoint

    def frames(path: Path) -> None:
        indices = [frame.index for frame in open_frames(path)]
        assert indices == list(range(len(indices))), f"frames are {indices}"

    with tempfile.TemporaryDirectory() as folder:
        kinds: list[tuple[str, bytes, Callable[[Path], object], int]] = []
        kinds += [(suffix, media.picture(suffix), read_image, 10) for suffix in media.PICTURES]
        kinds += [
            (suffix, media.mask(suffix), lambda path: read_label_image(path, media.SIZE), 10)
            for suffix in (".png", ".tif", ".bmp")
        ]
        kinds += [
            (suffix, media.write_video(Path(folder) / f"whole{suffix}").read_bytes(), frames, 20)
            for suffix in media.VIDEOS
        ]
        kinds += [(suffix, media.checkpoint(suffix), read_checkpoint, 40) for suffix in media.CHECKPOINTS]
        for suffix, content, read, count in kinds:
            for number in range(int(count * scale)):
                path = Path(folder) / f"{seed}-{number}{suffix}"
                path.write_bytes(corrupted(content, 1000 * seed + number))
                tally.attempt(path.name, lambda read=read, path=path: read(path))
                path.unlink()


# --- hqtrack track


def kills_of_track(tally: Tally, seed: int, scale: float) -> None:
    """`hqtrack track`, killed at random moments, up to twice, and gone on with."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command, clip, whole, seconds = tracked_whole(folder)
        for number in range(int(16 * scale)):
            out = folder / str(number)
            kept: dict[str, bytes] = {}
            for _ in range(rng.choice([1, 1, 2])):
                ended = run(
                    folder,
                    hqtrack_command,
                    *next_command(command, clip, out),
                    kill_after=rng.uniform(0.1, 1.1) * seconds,
                )
                if ended.code == 0:
                    break
                lost = [frame for frame, content in kept.items() if labels_of(out).get(frame) != content]
                if lost:
                    break
                done = (
                    (out / "unfinished.jsonl").read_bytes().count(b"\n")
                    if (out / "unfinished.jsonl").exists()
                    else 0
                )
                kept = dict(list(labels_of(out).items())[:done])
            if (out / "unfinished.json").exists() or not (out / "boxes.csv").exists():
                ended = run(folder, hqtrack_command, *next_command(command, clip, out))
            tally.count(f"kill {number}", _compared(out, whole, kept, ended))


def _compared(out: Path, whole: Path, kept: dict[str, bytes], ended: Ended) -> str:
    """Compare what a run left in the end with an uninterrupted one's."""
    if ended.code not in (0, -signal.SIGKILL):
        return f"{judged(ended)}: {ended.said[-300:]}"
    left = sorted(path.name for path in out.rglob("*.part")) + [path.name for path in out.glob("unfinished*")]
    if left:
        return f"left {left}"
    if labels_of(out).keys() != labels_of(whole).keys():
        return f"{len(labels_of(out))} label images instead of {len(labels_of(whole))}"
    changed = [name for name, content in kept.items() if labels_of(out)[name] != content]
    if changed:
        return f"frames that were done have changed: {changed}"
    for text in ("boxes.csv", "trajectories/001.txt"):
        counts = [len((folder / text).read_text().splitlines()) for folder in (out, whole)]
        if counts[0] != counts[1]:
            return f"{text} has {counts[0]} lines instead of {counts[1]}"
    images = [len(json.loads((folder / "masks.json").read_text())["images"]) for folder in (out, whole)]
    if images[0] != images[1]:
        return f"masks.json has {images[0]} frames instead of {images[1]}"
    similarity = mean_iou(out, whole)
    return "recovered" if similarity > 0.9 else f"IoU {similarity:.3f} with the uninterrupted run"


def records(tally: Tally, seed: int, scale: float) -> None:
    """Records of unfinished videos that were damaged or tampered with."""
    from hostile.corruptions import corrupted

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip, mask = write_clip(folder)
        whole, stopped = folder / "whole", folder / "stopped"
        command = ["track", str(clip), "--mask", str(mask), "--max-long-edge", "96", *OUTPUTS]
        assert run(folder, hqtrack_command, *command, "-o", str(whole)).code == 0
        assert run(folder, stop_after, 8, str(clip), str(mask), str(stopped)).code == 0
        for number in range(int(21 * scale)):
            out = folder / f"record-{number}"
            shutil.copytree(stopped, out)
            path = out / ("unfinished.json" if number % 3 == 0 else "unfinished.jsonl")
            path.write_bytes(corrupted(path.read_bytes(), 1000 * seed + number))
            before = labels_of(out)
            ended = run(folder, hqtrack_command, "track", str(clip), "-o", str(out), "--resume")
            outcome = judged(ended)
            if outcome == "recovered":
                outcome = _compared(out, whole, {}, ended)
            elif outcome == "refused" and labels_of(out) != before:
                outcome = "refused, but the outputs have changed"
            tally.count(f"{path.name} {number}", outcome)
            shutil.rmtree(out)


def stop_after(frames: int, clip: str, mask: str, out: str) -> None:
    """Track so many frames of a clip, and leave the rest for another run."""
    from itertools import count

    from hqtrack.video.job import Job
    from hqtrack.video.prompts import read_prompts
    from hqtrack.video.run import VideoRun

    prompts = tuple(read_prompts(masks=[mask], start=0, size=(64, 96)))
    kinds = ("labels", "csv", "rle", "trajectories")
    asked = count(1)
    run = VideoRun(Job(clip, prompts=prompts, outputs=kinds, max_long_edge=96), Path(out))
    run.track(stop=lambda: next(asked) == frames)


def arguments(tally: Tally, seed: int, scale: float) -> None:
    """Commands that make no sense."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip, mask = write_clip(folder)
        os.mkfifo(folder / "fifo.mp4")
        (folder / "text.pth").write_text("no weights\n" * 20)
        (folder / "nul.toml").write_bytes(b"\0")
        (folder / "file").touch()
        (folder / "taken" / "boxes.csv").mkdir(parents=True)
        good = {"INPUT": str(clip), "-o": str(folder / "out"), "--mask": str(mask)}
        long, digits = "n" * 300, "9" * 5000

        def track(**changed: str) -> list[str]:
            options = {
                **good,
                **{
                    key if key == "INPUT" else f"--{key.replace('_', '-')}" if key != "o" else "-o": value
                    for key, value in changed.items()
                },
            }
            source = options.pop("INPUT")
            return [
                "track",
                source,
                *(text for pair in options.items() for text in pair),
                "--csv",
                "--no-overlay",
            ]

        cases = [
            *(
                track(INPUT=text)
                for text in (
                    "",
                    "987",
                    digits[:200],
                    long,
                    "nowhere.mp4",
                    str(folder / "fifo.mp4"),
                    "/dev/null",
                    "[",
                    str(folder / "file"),
                    str(mask.parent / "*.nothing"),
                )
            ),
            *(
                track(**{option: text})
                for option in ("stride", "end", "start")
                for text in (digits, "10" * 15, "-1", "x")
            ),
            *(track(fps=text) for text in ("1e-7", "nan", "inf", "-5", "1e308", "0")),
            *(
                track(object=text)
                for text in (
                    f"frame={digits},box=1,1,9,9",
                    "frame=-1,box=1,1,9,9",
                    "frame=1",
                    "box=nan,1,2,3",
                    "mask=",
                    "frame=1,mask=" + long,
                )
            ),
            *(track(box=text) for text in ("1,2,3", "0,0,0,0", "1e999,0,1,1", "90,60,50,50", ",,,")),
            *(
                track(mask=text)
                for text in (long, str(clip), str(folder / "fifo.mp4"), str(folder / "text.pth"), "/dev/zero")
            ),
            *(
                track(weights=text)
                for text in (str(folder / "text.pth"), str(mask), long, str(clip), "/dev/null")
            ),
            *(
                track(card=text)
                for text in ("vmoss", long, str(folder / "nul.toml"), str(folder / "nowhere.toml"), "../x")
            ),
            *(
                track(o=text)
                for text in (
                    str(folder / "file"),
                    str(folder / "taken"),
                    "/proc/x",
                    str(folder / long),
                    str(clip / "000.png" / "x"),
                )
            ),
            *(
                track(**{option: text})
                for option, text in (
                    ("device", "abacus"),
                    ("precision", "float1"),
                    ("max_long_edge", "1" + "0" * 24),
                    ("max_long_edge", "-3"),
                    ("max_long_edge", digits),
                )
            ),
            *(["cards", text] for text in ("nothing", long, str(folder / "nul.toml"), "a\x1b[31m")),
            *(
                ["weights", verb, text]
                for verb in ("pull", "verify", "path")
                for text in ("nothing", long, str(folder / "nul.toml"))
            ),
            *(
                ["workspace", text]
                for text in (str(folder / "file"), str(folder / "file" / "x"), str(folder / long), "/proc/x")
            ),
            ["workspace", str(folder / "ws"), "--stack", long],
            *(["demo", text] for text in (str(folder / "file"), "/proc/x", str(folder / long))),
            ["train", "scenes", "/proc/x"],
            ["train", "scenes", str(folder / "file")],
            ["train", "export", str(folder)],
            ["train", "stage1", "--data", str(folder), "--folder", str(folder / "run")],
        ]
        refuse_all(tally, folder, {" ".join(case)[:200]: case for case in cases})


# --- foreign bytes, surroundings, messages, calls


def fuzzing(tally: Tally, seed: int, scale: float) -> None:
    """Every parser of foreign bytes, with what Hypothesis thinks of."""
    from hostile.fuzzing import TARGETS

    for name, target in TARGETS.items():
        examples(tally, name, target.values, max(1, int(20 * scale)), seed, target.read)


def videos(tally: Tally, seed: int, scale: float) -> None:
    """Play lists in the place of videos, and pictures that unpack to gigabytes."""
    from hostile import media, test_videos
    from hqtrack.images import read_image
    from hqtrack.video.sources import open_frames

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        media.write_video(folder / "precious.mp4")
        for kind, text in test_videos.PLAY_LISTS.items():
            for file in ("clip.mp4", "clip.txt", "clip.m3u8", "clip.ffconcat", "clip.mkv"):
                path = folder / file
                path.write_text(text)
                tally.attempt(
                    f"{kind} as {file}", lambda path=path: must_be_refused(lambda: list(open_frames(path)))
                )
        for suffix in (".png", ".jpg", ".tif", ".bmp", ".ppm"):
            for side in (20_000, 30_000, 60_000):
                path = folder / f"frame{suffix}"
                path.write_bytes(test_videos.header_of(suffix, side, side))
                tally.attempt(
                    f"{suffix} of {side}", lambda path=path: must_be_refused(lambda: read_image(path))
                )


def surroundings(tally: Tally, seed: int, scale: float) -> None:
    """Commands with closed streams, in odd encodings, with little memory, few files, no home."""
    from hostile.environments import SURROUNDINGS, run_in

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip, mask = write_clip(folder)
        track = ["track", str(clip), "--mask", str(mask), "--max-long-edge", "96", "--end", "4"]
        commands = [["--help"], ["cards", "--settings"], ["weights", "list"], ["experiments"], track]
        for number, place in enumerate(SURROUNDINGS):
            for command in commands:
                if random.Random(f"{seed} {place} {command[0]}").random() > scale:
                    continue
                out = ["-o", str(folder / f"out-{number}")] if command is track else []
                code, said = run_in(place, [*command, *out], folder)
                tally.count(f"{' '.join(command[:2])}, {place}", judged(Ended(code, said or "(closed)", 0)))


def messages(tally: Tally, seed: int, scale: float) -> None:
    """Raw messages of TraX, right and broken ones."""
    import subprocess

    from hostile import trax_talk

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = dict(trax_talk.messages(folder))
        for number in range(int(21 * scale)):
            cases[f"broken {number}"] = trax_talk.broken(folder, 1000 * seed + number)
        for case, content in cases.items():
            try:
                code, said = trax_talk.talk(content)
            except subprocess.TimeoutExpired:
                tally.count(case, "hangs")
                continue
            ending = "refused" if code else "recovered"
            tally.count(case, trax_talk.verdict(code, said) or ending)


def page(tally: Tally, seed: int, scale: float) -> None:
    """Requests to the page by hand: of other sites, for what is not there, and broken ones."""
    from hostile import page_talk
    from web_server import Server, write_video

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(write_video(folder / "clip.mp4", 4), folder / "sessions")
        try:
            host = server.address.removeprefix("http://")
            foreign = page_talk.foreign_requests(host)
            requests = foreign | page_talk.odd_requests(host, *page_talk.first_session(host))
            for case, content in requests.items():
                answer = page_talk.talk(host, content, hang_up=case in page_talk.UNENDED)
                tally.count(case, page_talk.verdict(answer, foreign=case in foreign))
        finally:
            server.kill()
        said = server.rest()
        if "Traceback" in said:
            tally.count("what it said", f"a traceback: {said.strip().splitlines()[-1]}")


def dask_parts(tally: Tally, seed: int, scale: float) -> None:
    """Garbage to every port of a cluster, workers that die, and schedulers that are none."""
    from hostile import dask_talk
    from hqtrack.evaluation import cluster

    cluster.SECONDS_TO_ANSWER = 2
    for case, content in dask_talk.GREETINGS.items():
        with dask_talk.greeting(content) as address:

            def connect(address: str = address) -> None:
                with cluster.existing_cluster(address):
                    raise AssertionError("it was accepted")

            tally.attempt(f"a scheduler that is {case}", connect)

    def broken(address: str, content: bytes) -> None:
        dask_talk.send(address, content)
        assert dask_talk.works(client), "the cluster does not work any more"

    def died(mark: Path) -> None:
        client.wait_for_workers(2, timeout=dask_talk.SECONDS)
        task = client.submit(dask_talk.die_once, str(mark), pure=False)
        assert task.result(timeout=dask_talk.SECONDS) == "done"

    with tempfile.TemporaryDirectory() as name, cluster.local_cluster(cluster.Workers(2, 1, 0)) as client:
        for place, address in enumerate(dask_talk.parts(client)):
            for case, content in dask_talk.GARBAGE.items():
                tally.attempt(
                    f"{case} to part {place}",
                    lambda address=address, content=content: broken(address, content),
                )
        for number in range(max(1, int(2 * scale))):
            tally.attempt(f"death {number}", lambda number=number: died(Path(name) / str(number)))


def calls(tally: Tally, seed: int, scale: float) -> None:
    """The Python API under other settings of PyTorch, and with senseless arguments."""
    import numpy as np

    from hostile import small_clip, test_api

    tracker = small_clip.light_tracker()
    usual = small_clip.tracked(tracker)

    def under(name: str) -> None:
        with test_api.SURROUNDINGS[name]():
            for each in (tracker, small_clip.light_tracker()):
                np.testing.assert_array_equal(small_clip.tracked(each), usual)

    for name in test_api.SURROUNDINGS:
        tally.attempt(name, lambda name=name: under(name))
    for name, call in test_api.WRONG.items():
        tally.attempt(name, lambda call=call: must_be_refused(call))
    for name, call in test_api.SENSELESS.items():
        tally.attempt(name, lambda call=call: must_be_refused(lambda: call(tracker)))


def the_same_twice(tally: Tally, seed: int, scale: float) -> None:
    """`hqtrack track`, the same command again, and two resumptions of what one kill left: the same bytes."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command, clip, whole, seconds = tracked_whole(folder)
        for number in range(int(6 * scale)):
            outs = [folder / f"{number}-{copy}" for copy in "ab"]
            killed = run(
                folder,
                hqtrack_command,
                *command,
                "-o",
                str(outs[0]),
                kill_after=rng.uniform(0.3, 1.0) * seconds if number else None,
            )
            if (outs[0] / "unfinished.json").exists():
                shutil.copytree(outs[0], outs[1])
                ends = [run(folder, hqtrack_command, *next_command(command, clip, out)) for out in outs]
            else:
                outs[1] = whole if number == 0 or killed.code == 0 else outs[0]
                ends = [killed]
            if any(end.code not in (0, -signal.SIGKILL) for end in ends):
                tally.count(f"run {number}", judged(ends[0]))
                continue
            same = files_of(outs[0]) == files_of(outs[1])
            tally.count(f"run {number}", "recovered" if same else "other bytes")


# --- downloads, training, the toolkit


def kills_of_downloads(tally: Tally, seed: int, scale: float) -> None:
    """`hqtrack weights pull`, killed at random moments, and given again."""
    from zoo.file_server import FileServer, checkpoint, serving

    rng = random.Random(seed)
    content = checkpoint(seed=seed, numbers=1_500_000)
    with tempfile.TemporaryDirectory() as name, serving(FileServer(content, pause=0.02)) as server:
        folder = Path(name)
        card = folder / "mine.toml"
        card.write_text(
            'name = "mine"\ntitle = "mine"\nnetwork = "vmos"\n'
            f'[weights]\nfile = "model.pth"\norigin = "published"\nurl = "{server.url}"\n'
        )
        whole = run(folder, hqtrack_command, "weights", "pull", str(card), "--to", str(folder / "whole"))
        assert whole.code == 0, whole.said
        for number in range(int(10 * scale)):
            to = folder / str(number)
            command = ("weights", "pull", str(card), "--to", str(to))
            run(folder, hqtrack_command, *command, kill_after=rng.uniform(0.1, 1.0) * whole.seconds)
            target = to / "model.pth"
            if target.exists() and target.read_bytes() != content:
                tally.count(f"kill {number}", "half a file has the name of the whole")
                continue
            ended = run(folder, hqtrack_command, *command)
            good = ended.code == 0 and target.read_bytes() == content
            tally.count(f"kill {number}", "recovered" if good else f"{judged(ended)} {ended.said[-300:]}")


def train(folder: str) -> None:
    """Train a few small steps."""
    from hqtrack.training import on_synthetic
    from hqtrack.training.synthesis import RegionImages
    from training.tiny import fresh, tiny

    images = RegionImages.from_folder(Path(folder).parent / "photos")
    on_synthetic.run(fresh(), images, [], tiny(6, checkpoint_every=2), Path(folder), workers=0)


def kills_of_training(tally: Tally, seed: int, scale: float) -> None:
    """A training, killed at random moments, and started again: the same weights to the bit."""
    import torch

    from hqtrack.training.checkpoints import read_state
    from training.small_data import write_static

    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_static(folder / "photos")
        whole = run(folder, train, str(folder / "whole"))
        assert whole.code == 0, whole.said
        expected = read_state(folder / "whole" / "checkpoint.pt")
        for number in range(int(6 * scale)):
            out = folder / str(number)
            run(folder, train, str(out), kill_after=rng.uniform(0.1, 1.0) * whole.seconds)
            ended = run(folder, train, str(out))
            outcome = judged(ended)
            if outcome == "recovered":
                state = read_state(out / "checkpoint.pt")
                same = state["step"] == expected["step"] and all(
                    torch.equal(state["network"][key], value) for key, value in expected["network"].items()
                )
                outcome = "recovered" if same else "other weights than the uninterrupted training's"
            tally.count(f"kill {number}", outcome)


def vot_command(*arguments: str) -> None:
    """Run `vot` as the command does."""
    from vot.utilities.cli import main

    sys.argv = ["vot", *arguments]
    main()


TRACKER = "Attacked"


def write_workspace(folder: Path) -> Path:
    """Write a workspace of the toolkit with one short sequence."""
    from hqtrack.vot.workspace import SAMPLE_STACK, create_workspace
    from small_workspace import write_sequence

    create_workspace(folder, SAMPLE_STACK)
    write_sequence(folder / "sequences" / "discs", length=10)
    (folder / "sequences" / "list.txt").write_text("discs\n")
    with (folder / "trackers.ini").open("a") as file:  # the code beside this file, whatever is installed
        paths = ROOT / "tracker"
        file.write(
            f"\n[{TRACKER}]\nprotocol = traxpython\ncommand = hqtrack.vot\npaths = {paths}\ntimeout = 300\n"
        )
    return folder


def kills_in_the_toolkit(tally: Tally, seed: int, scale: float) -> None:
    """The tracker under `vot evaluate`, or `vot evaluate` itself, killed; then the same command again."""
    import psutil

    from small_workspace import result_files

    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = write_workspace(folder / "whole")
        first = run(folder, vot_command, "evaluate", "--workspace", str(whole), TRACKER)
        expected = result_files(whole, TRACKER)
        assert len(expected) == 2, first.said
        for number in range(int(4 * scale)):
            workspace = write_workspace(folder / str(number))
            command = ("evaluate", "--workspace", str(workspace), TRACKER)
            if number % 2:
                run(folder, vot_command, *command, kill_after=rng.uniform(0.2, 1.0) * first.seconds)
            else:
                _kill_tracker(folder, command, rng.uniform(0.2, 1.0) * first.seconds)
            ended = run(folder, vot_command, *command)
            outcome = "recovered"
            if result_files(workspace, TRACKER) != expected:
                outcome = f"other results: {ended.said[-300:]}"
            left = [
                p.pid
                for p in psutil.Process().children(recursive=True)
                if "hqtrack.vot" in " ".join(p.cmdline())
            ]
            tally.count(f"kill {number}", outcome if not left else "a tracker is left running")


def _kill_tracker(folder: Path, command: tuple[str, ...], after: float) -> None:
    """Run a command of the toolkit, and kill the tracker that it started."""
    import psutil

    ended = threading.Event()

    def kill() -> None:
        deadline = time.monotonic() + after
        while not ended.wait(0.05):
            if time.monotonic() < deadline:
                continue
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if "hqtrack.vot" in " ".join(process.cmdline()):
                        process.kill()
                        return

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        run(folder, vot_command, *command)
    finally:
        ended.set()
        thread.join()


AREAS: dict[str, Callable[[Tally, int, float], None]] = {
    "cards, prompts, run lengths": parsers,
    "broken pictures, masks, videos, checkpoints": files,
    "servers with wrong lengths, ranges and hashes": headers,
    "senseless arguments": arguments,
    "play lists and gigabytes as videos": videos,
    "fuzzing of foreign bytes": fuzzing,
    "commands in odd surroundings": surroundings,
    "raw messages of TraX": messages,
    "requests to the page": page,
    "garbage to Dask, workers that die": dask_parts,
    "calls of the Python API": calls,
    "damaged records of unfinished videos": records,
    **hostile_options.AREAS,
    "hqtrack track, the same twice": the_same_twice,
    "hqtrack track, killed": kills_of_track,
    "hqtrack weights pull, killed": kills_of_downloads,
    "a training, killed": kills_of_training,
    "vot evaluate or its tracker, killed": kills_in_the_toolkit,
}


def table(tallies: list[Tally]) -> str:
    """Return the table as Markdown."""
    rows = [(each.area, each.tried, each.refused, each.recovered, len(each.bad)) for each in tallies]
    total = ("**all**", *(sum(row[column] for row in rows) for column in range(1, 5)))
    lines = ["| area | tried | clear errors | recovered | bad |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in [*rows, total])]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="how many cases, relative to the usual number"
    )
    parser.add_argument("--only", nargs="*", default=[""], help="areas whose names have one of these in them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="areas at a time")
    parser.add_argument(
        "--minutes", type=float, default=0.0, help="go on with further seeds for so long, instead of once"
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    options = parser.parse_args()
    CONTEXT.set_forkserver_preload(
        [
            "torch",
            "hqtrack.cli",
            "hqtrack.tracker",
            "hqtrack.video.job",
            "hqtrack.training.on_synthetic",
            "vot.utilities.cli",
        ]
    )
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tracker"), str(ROOT / "tests")])
    begin = time.monotonic()

    def one(area: str) -> Tally:
        tally = Tally(area)
        seed = options.seed
        try:
            AREAS[area](tally, seed, options.scale)
            while tally.seconds < 60 * options.minutes:
                seed += 1
                AREAS[area](tally, seed, options.scale)
        except Exception as error:  # the other areas are worth something without this one
            tally.count("the area itself", f"{type(error).__name__}: {error}")
        say(
            f"{area}: {tally.tried} cases in {tally.seconds:.0f} s: "
            f"{tally.refused} clear errors, {tally.recovered} recovered, {len(tally.bad)} bad"
        )
        return tally

    with tempfile.TemporaryDirectory() as cache, ThreadPoolExecutor(options.jobs) as pool:
        os.environ["HQTRACK_CACHE"] = cache
        chosen = [area for area in AREAS if any(text in area for text in options.only)]
        tallies = list(pool.map(one, chosen))
    say(f"all in {time.monotonic() - begin:.0f} s")
    print(table(tallies))
    if options.write:
        text = TABLE.read_text(encoding="utf-8")
        found = re.search(r"\| area .*?\n\n", text, flags=re.DOTALL)
        assert found, f"{TABLE} has no table"
        TABLE.write_text(text.replace(found[0], table(tallies) + "\n"), encoding="utf-8")
    return 1 if any(tally.bad for tally in tallies) else 0


if __name__ == "__main__":
    sys.exit(main())
