"""The rule of imports, held against the code's own imports (see docs/architecture.md)."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from hqtrack.video.writers import WRITERS, Writer, table

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tracker" / "hqtrack"

FLOORS: tuple[frozenset[str], ...] = tuple(
    frozenset(rooms.split())
    for rooms in (
        "errors defaults",
        "masks images processor isolation files installed",
        "nets cards",
        "zoo",
        "propagation refinement runtimes",
        "engines",
        "tracker",
        "vot video scenes",
        "hqtrack",
        "evaluation training",
        "web",
        "cli",
        "__main__",
    )
)
"""Rooms from the ground up: a room knows those on lower floors, and `hqtrack` is the public API itself."""

Imports = Mapping[str, frozenset[str]]


def modules(package: Path) -> dict[str, Path]:
    """Return the files of a package by the names of their modules."""
    found = {}
    for file in sorted(package.rglob("*.py")):
        parts = [package.name, *file.relative_to(package).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports_of(package: Path) -> Imports:
    """Return for each module the modules of the package that it imports: anywhere in it, for types too."""
    files = modules(package)
    return {
        name: frozenset(_imports(ast.parse(file.read_text("utf-8")), files)) for name, file in files.items()
    }


def _imports(tree: ast.Module, known: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from whole & set(known)
            if whole - set(known):
                yield node.module
        elif isinstance(node, ast.Call) and _called(node.func) == "import_module":
            name = node.args[0]
            if isinstance(name, ast.Constant) and name.value in known:
                yield str(name.value)


def _called(function: ast.expr) -> str:
    """Return the last word of a function's name."""
    return str(getattr(function, "attr", getattr(function, "id", "")))


def floor_of(module: str) -> int:
    """Return a module's floor; a room that is on none is an error."""
    room = [*module.split("."), "hqtrack"][1]
    found = [number for number, rooms in enumerate(FLOORS) if room in rooms]
    assert found, f"the room {room} is on no floor: say where it belongs in docs/architecture.md and here"
    return found[0]


def upward(imports: Imports) -> list[str]:
    """Name the imports that go up, or to another room on the same floor."""
    wrong = []
    for module, others in imports.items():
        for other in others:
            same_room = module.split(".")[1:2] == other.split(".")[1:2]
            if not same_room and floor_of(other) >= floor_of(module):
                wrong.append(f"{module} imports {other}")
    return sorted(wrong)


def circle(imports: Imports) -> list[str]:
    """Return the modules of a circle of imports; none if there is none."""
    done: set[str] = set()

    def search(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module not in done:
            for other in sorted(imports[module]):
                if found := search(other, [*path, module]):
                    return found
            done.add(module)
        return []

    return next((found for module in imports if (found := search(module, []))), [])


def test_imports_go_down() -> None:
    assert upward(imports_of(PACKAGE)) == []


def test_there_is_no_circle() -> None:
    assert circle(imports_of(PACKAGE)) == []


@pytest.mark.parametrize(
    ("file", "line", "found"),
    [
        ("masks.py", "from hqtrack.tracker import HQTrack", "hqtrack.masks imports hqtrack.tracker"),
        ("nets/vmos.py", "from hqtrack import masks, zoo", "hqtrack.nets.vmos imports hqtrack.zoo"),
        ("video/run.py", "def f():\n    import hqtrack.cli", "hqtrack.video.run imports hqtrack.cli"),
        (
            "propagation/memory.py",
            "if TYPE_CHECKING:\n    from hqtrack.refinement import MaskRefiner",
            "hqtrack.propagation.memory imports hqtrack.refinement",
        ),
        (
            "zoo/weights.py",
            "importlib.import_module('hqtrack.web.page')",
            "hqtrack.zoo.weights imports hqtrack.web.page",
        ),
    ],
)
def test_an_import_that_goes_up_is_found(tmp_path: Path, file: str, line: str, found: str) -> None:
    package = copy_of_the_package(tmp_path)
    with (package / file).open("a") as source:
        source.write(f"\n{line}\n")
    assert upward(imports_of(package)) == [found]


def test_a_circle_within_a_room_is_found(tmp_path: Path) -> None:
    package = copy_of_the_package(tmp_path)
    with (package / "video" / "objects.py").open("a") as source:
        source.write("\nfrom hqtrack.video import tracked_frame\n")
    assert upward(imports_of(package)) == []
    assert set(circle(imports_of(package))) == {"hqtrack.video.objects", "hqtrack.video.tracked_frame"}


def test_a_room_without_a_floor_is_found(tmp_path: Path) -> None:
    package = copy_of_the_package(tmp_path)
    (package / "utils.py").write_text("import hqtrack.masks\n")
    with pytest.raises(AssertionError, match="utils is on no floor"):
        upward(imports_of(package))


def copy_of_the_package(folder: Path) -> Path:
    return Path(shutil.copytree(PACKAGE, folder / "hqtrack", ignore=shutil.ignore_patterns("__pycache__")))


def classes_of(package: Path) -> dict[str, list[str]]:
    """Return the modules that define a class of each name, private ones too."""
    found: dict[str, list[str]] = {}
    for module, file in modules(package).items():
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(module)
    return found


def classes_of_one_name(package: Path) -> dict[str, list[str]]:
    """Return the names that more than one class has, with their modules."""
    return {name: found for name, found in classes_of(package).items() if len(found) > 1}


def test_no_two_classes_have_one_name() -> None:
    assert classes_of_one_name(PACKAGE) == {}


def test_a_second_class_of_one_name_is_found(tmp_path: Path) -> None:
    package = copy_of_the_package(tmp_path)
    with (package / "training" / "losses.py").open("a") as source:
        source.write("\nclass HQTrack:\n    pass\n")
    found = classes_of_one_name(package)
    assert found["HQTrack"] == ["hqtrack.tracker", "hqtrack.training.losses"]


def constants_of(package: Path) -> dict[str, dict[str, str]]:
    """Return the values of public constants by name and module."""
    found: dict[str, dict[str, str]] = {}
    for module, file in modules(package).items():
        for node in ast.parse(file.read_text("utf-8")).body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
            for target in targets:
                if isinstance(target, ast.Name) and re.fullmatch(r"[A-Z][A-Z0-9_]+", target.id):
                    found.setdefault(target.id, {})[module] = ast.unparse(node.value or target)
    return found


def constants_of_one_name(package: Path) -> dict[str, list[str]]:
    """Return the names that constants of different values have, with their modules."""
    found = constants_of(package).items()
    return {name: sorted(values) for name, values in found if len(set(values.values())) > 1}


def test_no_two_constants_have_one_name() -> None:
    assert constants_of_one_name(PACKAGE) == {}


def test_a_second_constant_of_one_name_is_found(tmp_path: Path) -> None:
    package = copy_of_the_package(tmp_path)
    with (package / "web" / "canvas.py").open("a") as source:
        source.write("\nMEAN = 3\n")
    assert constants_of_one_name(package) == {"MEAN": ["hqtrack.images", "hqtrack.web.canvas"]}


def writers_in(module: ModuleType) -> set[type]:
    """Return the classes of a module that write an output: what is private or unfinished does not."""
    classes = {each for each in vars(module).values() if isinstance(each, type) and issubclass(each, Writer)}
    own = {each for each in classes if each.__module__ == module.__name__}
    return {each for each in own if not (inspect.isabstract(each) or each.__name__.startswith("_"))}


def test_the_page_and_the_command_know_every_writer() -> None:
    files = (PACKAGE / "video" / "writers").glob("[!_]*.py")
    loaded = [importlib.import_module(f"hqtrack.video.writers.{file.stem}") for file in files]
    listed = [kind.writer() for kind in WRITERS.values()]
    assert len(listed) == len(set(listed))
    assert set(listed) == set.union(*map(writers_in, loaded))
    for user in ("web/export_panel.py", "cli/track.py"):
        assert "in WRITERS.items()" in (PACKAGE / user).read_text("utf-8"), (
            f"{user} does not list the writers"
        )
    page = (ROOT / "docs" / "formats.md").read_text("utf-8")
    for option in WRITERS:
        assert f"`--{option}`" in page, f"docs/formats.md does not explain --{option}"


def test_a_writer_that_the_page_does_not_know_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    other = type("OtherTable", (table.BoxTable,), {"__module__": table.__name__})
    monkeypatch.setattr(table, "OtherTable", other, raising=False)
    assert writers_in(table) == {table.BoxTable, other}


def test_networks_know_torch_and_timm_only() -> None:
    allowed = {"torch", "timm", "triton", "hqtrack"} | sys.stdlib_module_names
    for file in (PACKAGE / "nets").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= allowed, file


def test_every_room_is_explained() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    for path in PACKAGE.iterdir():
        if path.suffix == ".py" or (path / "__init__.py").exists():
            name = path.name if path.is_file() else f"{path.name}/"
            assert f"    {name} " in page, f"docs/architecture.md does not explain {name}"


def test_files_that_the_page_names_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"`((?:\w+/)+[a-z0-9_]+\.\w+)`", page))
    assert len(named) > 20
    for name in named:
        assert (ROOT / name).exists() or (PACKAGE / name).exists(), f"docs/architecture.md names {name}"
