"""Small workspaces of the real toolkit, and evaluating in them."""

import shutil
from pathlib import Path

import cv2
import numpy as np
from distributed import Client
from vot.region import Mask, Polygon, Rectangle, Region
from vot.region.io import write_trajectory
from vot.tracker.results import Results, Trajectory
from vot.utilities import write_properties
from vot.workspace.storage import LocalStorage

from hqtrack.evaluation.evaluate import Evaluation, evaluate, plan
from hqtrack.evaluation.tasks import Outcome, Task, run_task
from hqtrack.evaluation.workspaces import open_workspace, resolve
from hqtrack.vot.workspace import SAMPLE_STACK, create_workspace

WIDTH, HEIGHT = 96, 64
LENGTHS = {"short": 5, "middle": 8, "long": 12}
TRACKERS = Path(__file__).parent / "evaluation" / "trackers"


def write_sequence(folder: Path, length: int) -> None:
    """Two discs move over a blurred ground."""
    (folder / "color").mkdir(parents=True)
    rng = np.random.default_rng(length)
    ground = cv2.GaussianBlur(rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8), (0, 0), 3)
    trajectories: list[list[Mask]] = [[], []]
    for t in range(length):
        image = ground.copy()
        for trajectory, (x, y), colour in zip(
            trajectories, ((14 + 2 * t, 40), (80, 14 + 2 * t)), ((40, 40, 255), (40, 255, 40)), strict=True
        ):
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            cv2.circle(mask, (x, y), 9, 1, -1)
            image[mask > 0] = colour
            trajectory.append(Mask(mask))
        cv2.imwrite(str(folder / "color" / f"{t + 1:08d}.jpg"), image)
    for number, trajectory in enumerate(trajectories):
        write_trajectory(str(folder / f"groundtruth_{number}.txt"), trajectory)
    properties = {
        "name": folder.name,
        "fps": 25,
        "length": length,
        "width": WIDTH,
        "height": HEIGHT,
        "channels.color": "color/%08d.jpg",
        "channel.default": "color",
        "format": "default",
    }
    write_properties(str(folder / "sequence"), properties)
    (folder / "evaluation.tag").write_text("1\n" * length)  # which frames some stacks measure


def make_workspace(folder: Path, dataset: Path, stack: str = SAMPLE_STACK) -> Path:
    """A workspace with our trackers, a slow one and a broken one."""
    create_workspace(folder, stack)
    shutil.copytree(dataset, folder / "sequences", dirs_exist_ok=True)
    with (folder / "trackers.ini").open("a") as file:
        for identifier, module, pace in (("Paced", "paced", 0.4), ("Crashing", "crashing", 0)):
            file.write(
                f"\n[{identifier}]\nprotocol = traxpython\ncommand = {module}\npaths = {TRACKERS}\n"
                f"env_PACE = {pace}\ntimeout = 60\n"
            )
    return folder


class Recorder:
    """Keeps what an evaluation tells."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.broken: list[str] = []
        self.complete = 0
        self.started: list[Task] = []
        self.ends: list[tuple[Task, Outcome]] = []

    def plan(self, tasks: list[Task], complete: int, broken: list[str]) -> None:
        self.tasks, self.complete, self.broken = tasks, complete, broken

    def cluster(self, workers: str, dashboard: str) -> None:
        pass

    def running(self, task: Task, done: int, seconds: float) -> None:
        self.started.append(task)

    def ended(self, task: Task, outcome: Outcome) -> None:
        self.ends.append((task, outcome))


class Run:
    """Evaluates on the shared workers."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.recorder = Recorder()

    def __call__(self, workspace: Path, *names: str, force: bool = False) -> Evaluation:
        self.recorder = Recorder()
        address = self.client.scheduler_info()["address"]
        return evaluate(workspace, names, self.recorder, scheduler=address, force=force)


def result_files(workspace: Path, tracker: str) -> dict[str, bytes]:
    """Trajectories by name; times, which no two runs share, are left out."""
    folder = workspace / "results" / tracker
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.bin"))}


def write_one_object(
    folder: Path,
    places: list[tuple[int, int]],
    *,
    shape: str = "mask",
    fps: object = 25,
    channel: str = "color",
    anchors: dict[int, int] | None = None,
) -> None:
    """A disc of 8 pixels at a place in each frame; its truth is a mask, rectangle or polygon."""
    (folder / channel).mkdir(parents=True)
    ground = np.random.default_rng(1).integers(60, 90, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    truth: list[Region] = []
    for t, (x, y) in enumerate(places):
        image = ground.copy()
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.circle(mask, (x, y), 8, 1, -1)
        image[mask > 0] = (40, 40, 255)
        corners = [(x - 8, y - 8), (x + 8, y - 8), (x + 8, y + 8), (x - 8, y + 8)]
        regions = {
            "mask": Mask(mask),
            "rectangle": Rectangle(x - 8, y - 8, 17, 17),
            "polygon": Polygon(corners),
        }
        truth.append(regions[shape])
        cv2.imwrite(str(folder / channel / f"{t + 1:08d}.png"), image)
    write_trajectory(str(folder / "groundtruth.txt"), truth)
    properties = {
        "name": folder.name,
        "fps": fps,
        "length": len(places),
        "width": WIDTH,
        "height": HEIGHT,
        f"channels.{channel}": f"{channel}/%08d.png",
        "format": "default",
    }
    write_properties(str(folder / "sequence"), properties)
    if anchors:
        values = [str(anchors.get(t, 0)) for t in range(len(places))]
        (folder / "anchor.value").write_text("\n".join(values) + "\n")
    (folder.parent / "list.txt").write_text(
        "\n".join(sorted(file.parent.name for file in folder.parent.glob("*/sequence"))) + "\n"
    )


def run_here(folder: Path, *names: str) -> tuple[list[Outcome], list[str]]:
    """Run trackers in this process, one after another; how each ended, and what cannot run."""
    workspace = open_workspace(folder)
    tasks, _, _, refused = plan(workspace, resolve(workspace, names))
    return [run_task(task) for task in tasks], refused


def trajectories(folder: Path, tracker: str, experiment: str) -> dict[str, Trajectory]:
    """Every trajectory of a tracker in an experiment, by its file's name."""
    found = {}
    for file in sorted((folder / "results" / tracker / experiment).rglob("*.bin")):
        found[file.stem] = Trajectory.read(Results(LocalStorage(str(file.parent))), file.stem)
    return found
