import os
import subprocess
import sys
from pathlib import Path

import pytest

import hqtrack
from hqtrack.zoo import card_names, load_card, models_folder

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_built_package_carries_cards_and_embedded_weights(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    built = tmp_path / "built"
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(built)], cwd=CHECKOUT, check=True
    )
    code = (
        "from hqtrack.zoo import card_names, load_card, models_folder; print(models_folder(), *card_names())"
    )
    folder, *names = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(built)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert Path(folder) == built / "hqtrack" / "models"
    assert names == card_names()
    embedded = {
        weights.file
        for name in card_names()
        for weights in load_card(name).all_weights
        if weights.origin == "embedded"
    }
    assert embedded
    assert {path.name for path in Path(folder).glob("weights/*")} == embedded
    assert (built / "hqtrack" / "py.typed").exists()


@pytest.mark.skipif(
    not Path(hqtrack.__file__).is_relative_to(CHECKOUT), reason="the tests run against an installed wheel"
)
def test_a_checkout_reads_its_own_folder() -> None:
    assert models_folder() == CHECKOUT / "models"
