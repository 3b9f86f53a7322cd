"""A workspace of the real toolkit with one short sequence."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from vot.region import Mask
from vot.region.io import write_trajectory
from vot.utilities import write_properties

from hqtrack.vot.workspace import SAMPLE_STACK, create_workspace

WIDTH, HEIGHT, LENGTH = 160, 120, 6


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Two discs move over a blurred ground; the first passes behind the second."""
    folder = tmp_path / "workspace"
    create_workspace(folder, SAMPLE_STACK)
    sequence = folder / "sequences" / "discs"
    (sequence / "color").mkdir(parents=True)
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8), (0, 0), 3)
    trajectories: list[list[Mask]] = [[], []]
    for t in range(LENGTH):
        image = ground.copy()
        masks = []
        for x, y, colour in ((20 + 4 * t, 30, (40, 40, 255)), (100, 20 + 4 * t, (40, 255, 40))):
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            cv2.circle(mask, (x, y), 14, 1, -1)
            image[mask > 0] = colour
            masks.append(mask)
        masks[0][masks[1] > 0] = 0
        for trajectory, mask in zip(trajectories, masks, strict=True):
            trajectory.append(Mask(mask))
        cv2.imwrite(str(sequence / "color" / f"{t + 1:08d}.jpg"), image)
    for number, trajectory in enumerate(trajectories):
        write_trajectory(str(sequence / f"groundtruth_{number}.txt"), trajectory)
    properties = {
        "name": "discs",
        "fps": 25,
        "length": LENGTH,
        "width": WIDTH,
        "height": HEIGHT,
        "channels.color": "color/%08d.jpg",
        "channel.default": "color",
        "format": "default",
    }
    write_properties(str(sequence / "sequence"), properties)
    (folder / "sequences" / "list.txt").write_text("discs\n")
    return folder


@pytest.fixture
def register(workspace: Path) -> Callable[..., None]:
    """Add a tracker to the workspace's registry."""

    def add(identifier: str, command: str = "hqtrack.vot", **environment: str) -> None:
        lines = [f"[{identifier}]", "protocol = traxpython", f"command = {command}", "timeout = 60"]
        lines += [f"env_{name} = {value}" for name, value in environment.items()]
        with (workspace / "trackers.ini").open("a") as file:
            file.write("\n" + "\n".join(lines) + "\n")

    return add
