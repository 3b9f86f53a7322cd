"""What follows from how objects move: who owns a pixel, who is kept alive, what memory leaves open."""

from __future__ import annotations

from torch import Tensor

from hqtrack.propagation.rules.expected import Expected
from hqtrack.propagation.rules.hideouts import Hideouts
from hqtrack.propagation.rules.motion import Motion
from hqtrack.propagation.rules.rule import Rule
from hqtrack.propagation.rules.tiny import TinyKeptAlive


class MotionPrior(Rule):
    """Three rules that ask one `Motion`, which learns of every frame before they do."""

    def __init__(self) -> None:
        self._motion = Motion()
        self._expected = Expected(self._motion)
        self._tiny_kept_alive = TinyKeptAlive(self._motion)
        self._hideouts = Hideouts(self._motion)

    def refer(self, masks: Tensor) -> None:
        """Note objects as they are given."""
        self._motion.refer(masks)
        self._tiny_kept_alive.refer(masks)
        self._hideouts.refer(masks)

    def see(self, masks: Tensor) -> Tensor:
        """Note where objects were found, and return (H, W) bool: where lost objects may come out."""
        self._motion.see(masks)
        return self._hideouts.see(masks)

    def judge(self, logits: Tensor) -> Tensor:
        """Assign each pixel to the object that is expected there, and keep tiny objects alive."""
        return self._tiny_kept_alive.judge(self._expected.judge(logits))
