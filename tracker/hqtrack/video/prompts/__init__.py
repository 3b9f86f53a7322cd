"""A user's prompts for objects, from label images, boxes and points to one prompt for each object."""

from hqtrack.video.prompts.formats import FORMATS
from hqtrack.video.prompts.frame_names import FrameNames, NumberOf, plain_number
from hqtrack.video.prompts.label_images import read_label_image
from hqtrack.video.prompts.prompt import Prompt, made_ids, numbered, objects_of
from hqtrack.video.prompts.reading import check_frames, read_mask_file, read_prompts
from hqtrack.video.prompts.references import read_reference
from hqtrack.video.prompts.texts import read_box, read_object, read_point
from hqtrack.video.prompts.window import select_boxes

__all__ = [
    "FORMATS",
    "FrameNames",
    "NumberOf",
    "Prompt",
    "check_frames",
    "made_ids",
    "numbered",
    "objects_of",
    "plain_number",
    "read_box",
    "read_label_image",
    "read_mask_file",
    "read_object",
    "read_point",
    "read_prompts",
    "read_reference",
    "select_boxes",
]
