"""What `pyproject.toml` cannot say: a wheel carries the top-level folder `models` as `hqtrack/models`."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages("tracker"), "hqtrack.models"],
    package_dir={"": "tracker", "hqtrack.models": "models"},
    package_data={
        "hqtrack": ["py.typed"],
        "hqtrack.models": [
            "*.toml",
            "weights/hqtrack-*.safetensors",
            "weights/vmos-light*.safetensors",
            "weights/light-*.safetensors",
        ],
    },
)
