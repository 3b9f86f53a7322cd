"""What a package index shows of the project."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[1]

spec = importlib.util.spec_from_file_location("setup_of_hqtrack", ROOT / "setup.py")
assert spec is not None
assert spec.loader is not None
setup = importlib.util.module_from_spec(spec)
spec.loader.exec_module(setup)


def test_links_of_the_readme_are_absolute() -> None:
    text = "![A](docs/a.jpg) [b](docs/b.md#c) [d](https://d.example) [e](#e)"
    assert setup.readme(text, "https://home.example/x", "1.0") == (
        "![A](https://home.example/x/raw/v1.0/docs/a.jpg) [b](https://home.example/x/blob/v1.0/docs/b.md#c) "
        "[d](https://d.example) [e](#e)"
    )


def test_without_an_address_links_become_text() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert "](docs/" in text
    assert "](docs/" not in setup.readme(text, "", "1.0")
    assert "](docs/" not in setup.readme(text, "https://home.example/x", "1.0").replace("](https", "")


def test_the_addresses_are_of_the_published_version() -> None:
    assert setup.urls("https://home.example/x", "1.0")["Changelog"].endswith("/blob/v1.0/CHANGELOG.md")
    assert list(setup.urls("", "1.0")) == ["Paper"]
