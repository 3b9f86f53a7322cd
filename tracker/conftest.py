"""Which examples can be tried here: rendering needs pybullet, which has no wheel for every Python."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("pybullet") else ["hqtrack/scenes/physics/*.py"]
