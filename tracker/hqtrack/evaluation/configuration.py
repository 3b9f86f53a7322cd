"""The configuration of a workspace, read without the toolkit, which is slow to import."""

from __future__ import annotations

from pathlib import Path

import yaml

from hqtrack.errors import DataError, require


def check_workspace(folder: Path) -> None:
    """Check that the toolkit is installed and that a folder is a workspace, before either is loaded.

    Raises:
        MissingExtraError: The toolkit is not installed.
        DataError: The folder is no workspace, or its configuration cannot be read.
    """
    require("vot")
    read_config(folder.resolve())


def read_config(folder: Path) -> dict[str, object]:
    """Return what the `config.yaml` of a workspace holds.

    Raises:
        DataError: The folder is no workspace, or the file cannot be read.
    """
    file = folder / "config.yaml"
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{folder} is no workspace of the VOT toolkit: it has no config.yaml. Make one with "
            f"`hqtrack workspace {folder}`"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(config, dict):
        raise DataError(f"{file} holds no settings; make a workspace with `hqtrack workspace DIR`")
    return config
