"""Refinement at run time: boxes of propagated masks in, refined masks out, and which of them are kept."""

from hqtrack.refinement.refiner import MaskRefiner, build_refiner
from hqtrack.refinement.report import ObjectRefinement, RefinementReport

__all__ = ["MaskRefiner", "ObjectRefinement", "RefinementReport", "build_refiner"]
