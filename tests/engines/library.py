"""The predictor of the library `transformers` itself, which engines are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import transformers
from torch.nn import functional


def processor_of(side: int) -> Any:
    """Return what prepares videos for SAM 2 and EdgeTAM with a square input of so many pixels."""
    size = {"height": side, "width": side}
    return transformers.Sam2VideoProcessor(
        transformers.Sam2ImageProcessor(size=size, mask_size={"height": side // 4, "width": side // 4}),
        transformers.Sam2VideoVideoProcessor(size=size),
        target_size=side,
    )


def sam3_processor_of(side: int) -> Any:
    """Return what prepares videos for SAM 3's tracker, which normalises colours otherwise."""
    size = {"height": side, "width": side}
    half = [0.5, 0.5, 0.5]
    return transformers.Sam3TrackerVideoProcessor(
        transformers.Sam3ImageProcessor(size=size, mask_size={"height": side // 4, "width": side // 4}),
        transformers.Sam2VideoVideoProcessor(size=size, image_mean=half, image_std=half),
        target_size=side,
    )


class Library:
    """The library's own predictor with a whole video, as its documentation uses it."""

    def __init__(self, model: Any, frames: np.ndarray, processor: Any) -> None:
        self.processor, self.model = processor, model
        self.session = self.processor.init_video_session(video=frames)
        self.size = frames.shape[1:3]

    @torch.inference_mode()
    def give(self, frame: int, masks: dict[int, np.ndarray]) -> None:
        self.processor.add_inputs_to_inference_session(
            self.session, frame, list(masks), input_masks=list(masks.values())
        )
        self.model(self.session, frame_idx=frame)

    def track(self, first: int, count: int) -> list[np.ndarray]:
        """Return labels of the frames after `first`."""
        outputs = list(
            self.model.propagate_in_video_iterator(
                self.session, start_frame_idx=first, max_frame_num_to_track=count
            )
        )
        return [labels(output.pred_masks, self.size) for output in outputs[1:]]


def labels(logits: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    """Return the object of the highest positive logit of each pixel, 0 for none."""
    large = functional.interpolate(logits, size, mode="bilinear", align_corners=False)[:, 0].numpy()
    return np.where(large.max(0) > 0, large.argmax(0) + 1, 0).astype(np.uint8)
