"""Refinement at run time: boxes of propagated masks in, refined masks out, and which of them are kept."""

from hqtrack.refinement.policy import Answer, RefinementPolicy
from hqtrack.refinement.prompts import Clues
from hqtrack.refinement.refiner import MaskRefiner, build_refiner
from hqtrack.refinement.report import ObjectRefinement, RefinementReport

__all__ = [
    "Answer",
    "Clues",
    "MaskRefiner",
    "ObjectRefinement",
    "RefinementPolicy",
    "RefinementReport",
    "build_refiner",
]
