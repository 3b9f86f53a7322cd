"""What `pyproject.toml` cannot say: packages outside `tracker`, and links that work on a package index.

A wheel carries the top-level folder `models` as `hqtrack/models`. Where the project is at home is no part of
its files: the publishing workflow names it in two variables of the environment, from which links become
absolute.
"""

import os
import re
from pathlib import Path

from setuptools import find_packages, setup

PAPER = "https://arxiv.org/abs/2307.13974"


def home() -> str:
    """Return the address of the repository that is published, or an empty text outside the workflow."""
    server, name = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    return f"{server}/{name}" if server and name else ""


def urls(address: str, version: str) -> dict[str, str]:
    """Return the project's addresses, as an index shows them."""
    if not address:
        return {"Paper": PAPER}
    return {
        "Repository": address,
        "Documentation": f"{address}/tree/v{version}/docs",
        "Changelog": f"{address}/blob/v{version}/CHANGELOG.md",
        "Paper": PAPER,
    }


def readme(text: str, address: str, version: str) -> str:
    """Return the README with absolute links; an index knows no neighbours of it.

    Without an address links become plain text, and images are left out.
    """

    def absolute(match: re.Match[str]) -> str:
        image, label, target = match.groups()
        if not address:
            return "" if image else label
        kind = "raw" if image else "tree" if target.endswith("/") else "blob"
        return f"{image}[{label}]({address}/{kind}/v{version}/{target})"

    return re.sub(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)", absolute, text)


if __name__ == "__main__":
    root = Path(__file__).parent
    found = re.search(r'^version = "(.+)"', (root / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert found
    setup(
        packages=[*find_packages("tracker"), "hqtrack.models", "hqtrack.models.weights"],
        package_dir={
            "": "tracker",
            "hqtrack.models": "models",
            "hqtrack.models.weights": "models/weights",
        },
        package_data={
            "hqtrack": ["py.typed", "web/*.js"],
            "hqtrack.models": ["*.toml"],
            "hqtrack.models.weights": [
                "hqtrack-*.safetensors",
                "vmos-light*.safetensors",
                "light-*.safetensors",
            ],
        },
        include_package_data=False,
        long_description=readme((root / "README.md").read_text("utf-8"), home(), found[1]),
        long_description_content_type="text/markdown",
        project_urls=urls(home(), found[1]),
    )
