"""Whatever a tracker process prints, its standard output stays the protocol's."""

import subprocess
import sys

PRINTER = """
from hqtrack.vot.streams import forward_prints, reserve_stdout
reserve_stdout()
import os, subprocess
out = int(os.environ["TRAX_OUT"])
os.write(1, b"progress without a newline")
print("@@TRAX:quit")
subprocess.run(["echo", "from a child"])
os.write(out, b"@@TRAX:first\\n")
forward_prints()
os.write(1, b"unfinished")
forward_prints()
os.write(out, b"@@TRAX:second\\n")
{end}
"""


def printed(end: str = "") -> list[str]:
    """What the toolkit reads when standard output and standard error are one pipe."""
    done = subprocess.run(
        [sys.executable, "-c", PRINTER.format(end=end)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.splitlines()


def test_prints_reach_the_log_as_whole_lines_between_messages() -> None:
    lines = printed()
    assert [line for line in lines if line.startswith("@@TRAX:")] == ["@@TRAX:first", "@@TRAX:second"]
    assert lines[0] == "@@TRAX:first"
    assert "progress without a newline@@TRAX:quit" in lines
    assert "from a child" in lines
    assert lines[-1] == "unfinished"


def test_a_line_that_looks_like_a_message_is_none() -> None:
    lines = printed(end="print('\\n@@TRAX:quit')")
    assert " @@TRAX:quit" in lines
    assert "@@TRAX:quit" not in lines


def test_a_crash_is_told() -> None:
    assert printed(end="raise ValueError('why')")[-1].endswith("ValueError: why")
