"""Results of experiments as files: tables (CSV, Markdown), plots (PNG, SVG) and one page with all of them."""

from __future__ import annotations

import base64
import csv
import html
import io
from collections.abc import Sequence
from pathlib import Path

from hqtrack.evaluation.experiments import Result, cells, columns
from hqtrack.evaluation.measures import MEASURES, Measures
from hqtrack.evaluation.workspaces import write_atomically

FIRST_FRAME_NOTE = (
    "The toolkit counts the first frame, whose masks are given, as a failure: on n frames a perfect tracker "
    "has AUC = (n - 1) / n."
)
PAPER_NOTE = "The paper's ADQ is missing: that column is cut off in the copy of its tables that was at hand."

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse}td,th{padding:.25em .8em;border-bottom:1px solid #ddd;text-align:left}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}img,svg{max-width:100%;height:auto}"
)


def write_result(result: Result, folder: Path, name: str) -> list[Path]:
    """Write a result's table, and its plot where it has one.

    Args:
        result: Of `run_study`.
        folder: Where.
        name: Of the files, without ending.

    Returns:
        The files.
    """
    written = []
    if result.study.kind in ("measures", "submission", "plot"):
        stream = io.StringIO()
        writer = csv.writer(stream)
        writer.writerow(columns(result.rows))
        writer.writerows(cells(result.rows))
        for ending, text in (("csv", stream.getvalue()), ("md", markdown(result))):
            written.append(folder / f"{name}.{ending}")
            write_atomically(written[-1], text)
    figure = plot(result)
    if figure is not None:
        for ending in ("png", "svg"):
            content = io.BytesIO()
            figure.savefig(
                content, format=ending, dpi=150, metadata={"Date": None} if ending == "svg" else None
            )
            written.append(folder / f"{name}.{ending}")
            write_atomically(written[-1], content.getvalue())
    if result.picture is not None:
        written.append(result.picture)
    return written


def markdown(result: Result) -> str:
    """Return a result as a Markdown table with what was measured."""
    heading, lines = columns(result.rows), cells(result.rows)
    text = [f"### {result.title}", "", f"{_measured_on(result)} {FIRST_FRAME_NOTE}{_on_paper([result])}", ""]
    text += [f"| {' | '.join(heading)} |", "|" + "---|" * len(heading)]
    text += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]
    return "\n".join(text) + "\n"


def _on_paper(results: Sequence[Result]) -> str:
    return "" if all(result.light for result in results) else f" {PAPER_NOTE}"


def _measured_on(result: Result) -> str:
    return result.of_which_sequences


def quality_plot(title: str, systems: Sequence[tuple[str, Measures]]):  # type: ignore[no-untyped-def]
    """Draw the quality plots of systems, each with its label and Q in the legend; returns the figure."""
    figure, axes = _figure(title)
    for label, measures in systems:
        x, y = zip(*measures.plot, strict=True)
        axes.plot(x, y, label=f"{label} ({measures.quality:.3f})")
    axes.set(xlabel="overlap threshold", ylabel="share of frames above it", xlim=(0, 1), ylim=(0, 1))
    axes.legend(fontsize=8)
    return figure


def _figure(title: str):  # type: ignore[no-untyped-def]
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.3)
    return figure, axes


def plot(result: Result):  # type: ignore[no-untyped-def]  # a figure of matplotlib, which has no types here
    """Draw a result: quality plots, measures over a setting, or bars; None where there is nothing to draw."""
    rows = [row for row in result.rows if row.measures is not None]
    if not rows or result.study.kind == "sheet":
        return None
    if result.study.kind == "plot":
        return quality_plot(
            result.title, [(row.system.label, row.measures) for row in rows if row.measures is not None]
        )
    figure, axes = _figure(result.title)
    on_a_line = bool(result.study.axis)
    names = [row.system.name.rpartition("=")[2] if on_a_line else row.system.label for row in rows]
    for measure, marker in zip(MEASURES, "os^Dvx", strict=True):
        values = [row.measures.values()[measure] for row in rows if row.measures is not None]
        if all(value is None for value in values):
            continue
        numbers = [float("nan") if value is None else value for value in values]
        if on_a_line:
            axes.plot(names, numbers, marker=marker, label=measure)
        else:
            axes.plot(numbers, names, linestyle="none", marker=marker, label=measure)
    if on_a_line:
        axes.set(xlabel=result.study.axis, ylim=(0, 1))
    else:
        axes.set(xlim=(0, 1))
        axes.invert_yaxis()
    figure.legend(loc="outside right center", fontsize=8)
    return figure


def write_page(results: Sequence[tuple[str, Result]], folder: Path) -> Path:
    """Write one page, whole in itself, with the tables and pictures of several results.

    Args:
        results: Names of their files, and the results.
        folder: Where those files are.
    """
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>HQTrack: experiments</title><style>{_STYLE}"
        f"</style><h1>HQTrack: experiments</h1><p>{FIRST_FRAME_NOTE}{_on_paper([r for _, r in results])}</p>"
    ]
    for name, result in results:
        parts.append(f"<h2>{html.escape(result.title)}</h2><p>{_measured_on(result)}</p>")
        parts.append(_table(result))
        svg = folder / f"{name}.svg"
        if svg.exists() and plot(result) is not None:
            text = svg.read_text(encoding="utf-8")
            parts.append(text[text.index("<svg") :])
        if result.picture is not None:
            data = base64.b64encode(result.picture.read_bytes()).decode()
            parts.append(f'<img alt="{html.escape(result.title)}" src="data:image/jpeg;base64,{data}">')
    page = folder / "index.html"
    write_atomically(page, "\n".join(parts) + "</html>\n")
    return page


def _table(result: Result) -> str:
    heading = "".join(f"<th>{html.escape(column)}" for column in columns(result.rows))
    lines = [
        "<tr>"
        + "".join(
            f"<td{' class=n' if 0 < place < len(line) - 1 else ''}>{html.escape(cell)}"
            for place, cell in enumerate(line)
        )
        for line in cells(result.rows)
    ]
    return f"<table><tr>{heading}{''.join(lines)}</table>"
