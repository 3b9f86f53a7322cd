"""`hqtrack batch`: several videos in one command, each as `hqtrack track` tracks it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from hqtrack.cli.exits import STOPPED
from hqtrack.errors import InputError, message_of

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

    from hqtrack.video.job_file import VideoJob

PASSED_ON = "hqtrack.batch"
"""Where the context keeps the options that all videos have."""

OWN_OPTIONS = frozenset({"--out", "--workers", "--force", "--help"})

NOT_IN_FILES = frozenset({"out", "resume", "force", "select", "help"})


class BatchCommand(TyperCommand):
    """The command with the options of `hqtrack track`, which it hands on."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the options of `hqtrack track` out, with their values."""
        flags, valued = _options()
        kept, passed = [], ctx.meta.setdefault(PASSED_ON, [])
        words = iter(args)
        for word in words:
            option = word.split("=")[0]
            name = option.removeprefix("--")
            if not option.startswith("--") or option in OWN_OPTIONS or name not in flags | valued:
                kept.append(word)
                continue
            passed.append(word)
            if name in valued and "=" not in word:
                passed += [value] if (value := next(words, None)) is not None else []
        return super().parse_args(ctx, kept)


@dataclass(frozen=True)
class JobOutcome:
    """How a job ended."""

    state: str
    """done, done before, stopped, failed."""
    reason: str = ""


def batch(
    context: typer.Context,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Job files (.csv, .json), or videos. Further options are those of `hqtrack track`, for all.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for outputs whose job names none: OUT/INPUT's name.")
    ] = Path("tracked"),
    workers: Annotated[int, typer.Option(min=1, max=1024, help="Videos that are tracked at a time.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Track again what is done.")] = False,
) -> None:
    """Track several videos. The model is loaded once for each worker.

    A job file is a CSV with a header, or a JSON list. Its columns are input, output, and options of
    `hqtrack track` without their dashes. A cell has several values with ; between them. A table at the end
    shows how each video ended. A failed one does not stop the others, and the exit code is 1. The same
    command again skips what is done, and resumes what is not.

    Examples:

      hqtrack batch jobs.csv --workers 2

      hqtrack batch a.mp4 b.mp4 -o results --point 320,200 --csv --no-overlay
    """
    jobs = _jobs(inputs, out)
    outs = [os.path.realpath(job.out) for job in jobs]
    twice = next((job for job, path in zip(jobs, outs, strict=True) if outs.count(path) > 1), None)
    if twice is not None:
        raise InputError(f"{twice.place}: {twice.out} is the output of two jobs; give each its own")
    words = [[job.source, job.out, *job.options, *context.meta[PASSED_ON]] for job in jobs]
    outcomes: list[JobOutcome] = []
    with _Running(workers) as run:
        for job, outcome in zip(jobs, run(words, force), strict=False):
            outcomes.append(outcome)
            typer.echo(f"{len(outcomes)}/{len(jobs)} {job.source}: {outcome.state}", err=True)
            if outcome.state == "stopped":
                break
    _report(jobs, outcomes)


def _jobs(inputs: Sequence[str], out: Path) -> list[VideoJob]:
    """Read job files, and videos that are named alone."""
    from hqtrack.video.job_file import JOB_SUFFIXES, job_of, read_job_file

    flags, valued = _options()
    jobs = []
    for name in inputs:
        path = Path(name)
        if path.suffix.lower() not in JOB_SUFFIXES:
            jobs.append(job_of({"input": name}, name, out, flags))
            continue
        for number, entry in enumerate(read_job_file(path, flags, valued), 1):
            jobs.append(job_of(entry, f"{path}, job {number}", out, flags))
    return jobs


def _track_command() -> Any:
    from hqtrack.cli.track import TrackCommand, track

    single = typer.Typer(add_completion=False)
    single.command(cls=TrackCommand)(track)
    return typer.main.get_command(single)


def _options() -> tuple[set[str], set[str]]:
    """Return the names of the options of `hqtrack track`, without their dashes: flags, and others."""
    params = _track_command().get_params(typer.Context(_track_command()))
    names = [
        (option.removeprefix("--"), each.is_flag)
        for each in params
        for option in (*each.opts, *each.secondary_opts)
        if option.startswith("--") and each.name not in NOT_IN_FILES
    ]
    return {name for name, flag in names if flag}, {name for name, flag in names if not flag}


class _Running:
    """Runs jobs here, or in several processes; use it as a context."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Any:
        return self._run

    def _run(self, jobs: Sequence[Sequence[str]], force: bool) -> Iterator[JobOutcome]:
        if self._workers == 1:
            yield from (run_job(words, force) for words in jobs)
            return
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(self._workers, mp_context=spawn)
        yield from self._pool.map(run_job, jobs, [force] * len(jobs))

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


@cache
def shared_trackers() -> dict[tuple[object, ...], Any]:
    """Return the trackers of this process, by what they are built of: each is loaded once."""
    return {}


def run_job(words: Sequence[str], force: bool) -> JobOutcome:
    """Track one video, resume it, or leave it as it is.

    Args:
        words: Its source, its folder, and options of `hqtrack track`.
        force: Whether what is done is done again.
    """
    from hqtrack.video.journal import has_unfinished
    from hqtrack.video.run_record import has_run

    source, out, *options = words
    if has_run(Path(out)) and not force:
        return JobOutcome("done before")
    again = has_unfinished(Path(out)) and not force
    if again:
        options = ["--resume", *_of_this_machine(options)]
    arguments = [source, "-o", out, *options, *(["--force"] if force else [])]
    try:
        code = _track_command().main(
            arguments, prog_name="hqtrack track", standalone_mode=False, obj=shared_trackers()
        )
    except Exception as error:
        reason = message_of(error)
        if reason is None and hasattr(error, "format_message"):  # wrong use of an option
            reason = error.format_message()
        if reason is None:
            raise
        return JobOutcome("failed", reason)
    if not code:
        return JobOutcome("done")
    return JobOutcome("stopped" if code > STOPPED else "failed", "" if code > STOPPED else "see above")


def _of_this_machine(options: Sequence[str]) -> list[str]:
    """Return the options that a resumed run may have."""
    pairs = zip(options, [*options[1:], ""], strict=True)
    return [word for name, value in pairs if name in ("--device", "--precision") for word in (name, value)]


def _report(jobs: Sequence[VideoJob], outcomes: Sequence[JobOutcome]) -> None:
    """Print a table; what failed comes with its reason."""
    from hqtrack.cli.tables import print_table

    rows = [
        [job.source, job.out, outcome.state, outcome.reason]
        for job, outcome in zip(jobs, outcomes, strict=False)
    ]
    print_table(["input", "output", "state", "reason"], rows)
    states = [outcome.state for outcome in outcomes]
    if "stopped" in states:
        raise typer.Exit(STOPPED + 2)
    if "failed" in states:
        raise typer.Exit(1)
