"""A stack is data: no tag in it runs code.

The toolkit reads `stack.yaml` by attributee, which constructs whatever a tag such as `!!python/object/apply`
names. Workspaces come from other people.
"""

from __future__ import annotations

import io
from functools import partial

import yaml
from attributee import io as attributee_io


def mend() -> bool:
    """Read stacks as plain YAML; returns whether tags of Python were constructed."""
    try:
        attributee_io.load_yaml(io.StringIO("tried: !!python/tuple []"), dict, None)
    except yaml.YAMLError:
        return False
    attributee_io.load_yaml = partial(attributee_io._load_serialized, loader=yaml.safe_load)
    return True
