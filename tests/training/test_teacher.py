"""Photographs whose objects a teacher finds; here it finds what has the colour it is asked for."""

import shutil
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from hqtrack.cli import app
from hqtrack.training.crops import Photographs
from hqtrack.training.teacher import LIST_FILE, index_map

FLOAT = TensorProto.FLOAT


def write_network(file: Path, nodes: list, inputs: dict, outputs: list[str], constants: dict) -> None:
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, file)


def write_teacher(folder: Path, sureness: float = 0.97) -> tuple[Path, Path]:
    """Write an encoder, whose embedding is the image at stride 4, and a decoder of the usual inputs.

    The decoder takes the colour at the middle of the points, and gives what has it; of an image of 4:3.
    """
    encoder, decoder = folder / "encoder.onnx", folder / "decoder.onnx"
    pool = helper.make_node("AveragePool", ["image"], ["embedding"], kernel_shape=[4, 4], strides=[4, 4])
    write_network(encoder, [pool], {"image": [1, 3, 1024, 1024]}, ["embedding"], {})
    node = helper.make_node
    nodes = [
        # Labels of points are 1 and -1, those of a box 2 and 3: a point's other one does not count.
        node("Clip", ["point_labels", "zero", "one"], ["counts"]),
        node("Unsqueeze", ["counts", "last"], ["weights"]),
        node("Mul", ["point_coords", "weights"], ["counted"]),
        node("ReduceSum", ["counted", "first"], ["sum"], keepdims=0),
        node("ReduceSum", ["weights", "first"], ["count"], keepdims=0),
        node("Div", ["sum", "count"], ["point"]),
        node("Div", ["point", "stride"], ["cell"]),
        node("Cast", ["cell"], ["index"], to=TensorProto.INT64),
        node("Gather", ["index", "y"], ["row"], axis=1),
        node("Gather", ["index", "x"], ["column"], axis=1),
        node("Gather", ["image_embeddings", "row"], ["of_row"], axis=2),
        node("Reshape", ["of_row", "a_row"], ["in_row"]),
        node("Gather", ["in_row", "column"], ["of_pixel"], axis=2),
        node("Reshape", ["of_pixel", "a_pixel"], ["colour"]),
        node("Sub", ["image_embeddings", "colour"], ["difference"]),
        node("Abs", ["difference"], ["distance"]),
        node("ReduceSum", ["distance", "last_but_two"], ["far"], keepdims=1),
        node("Mul", ["far", "steepness"], ["steep"]),
        node("Sub", ["threshold", "steep"], ["low_res_masks"]),
        # A frame of 4:3 fills three quarters of the square.
        node("Slice", ["low_res_masks", "slice_from", "slice_to", "slice_axis"], ["filled"]),
        node("Cast", ["orig_im_size"], ["sizes"], to=TensorProto.INT64),
        node("Concat", ["ones", "sizes"], ["size"], axis=0),
        node("Resize", ["filled", "", "", "size"], ["masks"], mode="linear"),
        node("Identity", ["sureness"], ["iou_predictions"]),
    ]
    constants = {
        "zero": np.float32(0),
        "one": np.float32(1),
        "last": np.int64([2]),
        "first": np.int64([1]),
        "last_but_two": np.int64([1]),
        "stride": np.float32(4),
        "x": np.int64([0]),
        "y": np.int64([1]),
        "a_row": np.int64([1, 3, -1]),
        "a_pixel": np.int64([1, 3, 1, 1]),
        "steepness": np.float32(40),
        "threshold": np.float32(8),
        "slice_from": np.int64([0]),
        "slice_to": np.int64([192]),
        "slice_axis": np.int64([2]),
        "ones": np.int64([1, 1]),
        "sureness": np.float32([[sureness]]),
    }
    inputs = {
        "image_embeddings": [1, 3, 256, 256],
        "point_coords": [1, 2, 2],
        "point_labels": [1, 2],
        "mask_input": [1, 1, 256, 256],
        "has_mask_input": [1],
        "orig_im_size": [2],
    }
    write_network(decoder, nodes, inputs, ["masks", "iou_predictions", "low_res_masks"], constants)
    return encoder, decoder


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    return write_photographs(tmp_path / "photographs")


def write_photographs(folder: Path) -> Path:
    """Write two photographs: a disc and a box upon grass, and grass alone."""
    folder.mkdir()
    grass = np.full((480, 640, 3), (60, 140, 60), np.uint8)
    cv2.imwrite(str(folder / "empty.png"), grass)
    cv2.circle(grass, (200, 240), 100, (40, 40, 220), -1)
    cv2.rectangle(grass, (420, 150), (520, 250), (220, 220, 40), -1)
    cv2.imwrite(str(folder / "things.png"), grass)
    return folder


def labelled(photographs: Path, folder: Path, teacher: tuple[Path, Path]):
    encoder, decoder = teacher
    arguments = ["train", "label", str(photographs), str(folder), "--workers", "1"]
    return CliRunner().invoke(app, [*arguments, "--encoder", str(encoder), "--decoder", str(decoder)])


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with photographs, a teacher, and in "out" what it found in them."""
    folder = tmp_path_factory.mktemp("found")
    result = labelled(write_photographs(folder / "photographs"), folder / "out", write_teacher(folder))
    assert result.exit_code == 0, result.output
    assert "1 photographs, 2 objects" in result.output
    return folder


@pytest.mark.slow
def test_objects_are_found_and_numbered_from_the_largest_on(found: Path) -> None:
    labels = cv2.imread(str(found / "out" / "labels" / "things.png"), cv2.IMREAD_UNCHANGED)
    assert labels.shape == (360, 480)  # reduced
    assert labels[180, 150] == 1
    assert labels[150, 350] == 2
    assert labels[10, 10] == 0
    assert (labels == 1).sum() == pytest.approx(np.pi * 75**2, rel=0.05)
    empty = cv2.imread(str(found / "out" / "labels" / "empty.png"), cv2.IMREAD_UNCHANGED)
    assert not empty.any()


@pytest.mark.slow
def test_what_was_labelled_can_be_trained_on(found: Path) -> None:
    (item,) = Photographs.from_lists(found / "out", [LIST_FILE]).items
    assert item.image.stem == "things"
    assert item.objects == (1, 2)


@pytest.mark.slow
def test_what_the_teacher_is_not_sure_of_is_left_out(photographs: Path, tmp_path: Path) -> None:
    result = labelled(photographs, tmp_path / "out", write_teacher(tmp_path, sureness=0.9))
    assert "0 photographs, 0 objects" in result.output
    assert (tmp_path / "out" / LIST_FILE).read_text() == ""


@pytest.mark.slow
def test_the_same_command_again_goes_on_where_it_was_stopped(found: Path, tmp_path: Path) -> None:
    shutil.copytree(found / "out", tmp_path / "out")
    labels = tmp_path / "out" / "labels"
    kept = (labels / "things.png").stat().st_mtime_ns
    (labels / "empty.png").unlink()
    teacher = found / "encoder.onnx", found / "decoder.onnx"
    result = labelled(found / "photographs", tmp_path / "out", teacher)
    assert "1 photographs, 2 objects" in result.output
    assert (labels / "things.png").stat().st_mtime_ns == kept
    assert (labels / "empty.png").exists()


def test_parts_of_an_object_are_left_out() -> None:
    whole, part, other = (np.zeros((20, 30), bool) for _ in range(3))
    whole[2:18, 2:12] = part[4:8, 4:8] = other[5:10, 15:25] = True
    labels = index_map([part, other, whole], (20, 30))
    np.testing.assert_array_equal(labels, 1 * whole + 2 * other)


@pytest.mark.parametrize("broken", ["missing", "not a network", "exchanged"])
def test_files_that_are_no_teacher_are_told_by_name(photographs: Path, tmp_path: Path, broken: str) -> None:
    encoder, decoder = write_teacher(tmp_path)
    if broken == "missing":
        encoder.unlink()
    elif broken == "not a network":
        encoder.write_bytes(b"something else")
    else:
        encoder, decoder = decoder, encoder
    result = labelled(photographs, tmp_path / "out", (encoder, decoder))
    assert result.exit_code != 0
    assert encoder.name in result.output + result.stderr
    assert not (tmp_path / "out").exists()


def test_photographs_are_not_written_over(photographs: Path, tmp_path: Path) -> None:
    images = photographs.rename(tmp_path / "images")
    before = {file.name: file.read_bytes() for file in images.iterdir()}
    result = labelled(images, tmp_path, write_teacher(tmp_path))
    assert result.exit_code != 0
    assert "name another folder" in result.output + result.stderr
    assert {file.name: file.read_bytes() for file in images.iterdir()} == before


def test_photographs_of_the_same_name_are_refused(photographs: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(photographs / "things.jpg"), np.zeros((48, 64, 3), np.uint8))
    result = labelled(photographs, tmp_path / "out", write_teacher(tmp_path))
    assert result.exit_code != 0
    assert "things" in result.output + result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_nothing_is_left_running_when_the_command_is_killed(photographs: Path, tmp_path: Path) -> None:
    encoder, decoder = write_teacher(tmp_path)
    command = [
        sys.executable,
        "-c",
        "from hqtrack.cli import main; main()",
        "train",
        "label",
        str(photographs),
    ]
    options = ["--workers", "2", "--encoder", str(encoder), "--decoder", str(decoder)]
    process = psutil.Popen([*command, str(tmp_path / "out"), *options])
    deadline = time.monotonic() + 120
    while not (children := process.children(recursive=True)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    # Who is dead and not yet fetched by the system's first process runs no longer.
    assert [each for each in alive if each.status() != psutil.STATUS_ZOMBIE] == []
