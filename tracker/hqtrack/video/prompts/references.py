"""Objects that another picture shows: its file, and a mask of its size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from hqtrack.errors import InputError
from hqtrack.images import read_image
from hqtrack.masks import MAX_ID
from hqtrack.video.presence import parsed_reference
from hqtrack.video.prompts.label_images import read_label_image
from hqtrack.video.prompts.prompt import Prompt


def read_reference(text: str, frame: int, ignore: Sequence[int] = ()) -> list[Prompt]:
    """Read "picture.jpg,mask.png", or with ",object=N": the object of that value of the mask alone.

    Args:
        text: What a person wrote.
        frame: The first frame, from which on objects are looked for.
        ignore: Values of the mask that are background.

    Raises:
        InputError: The text is something else, the mask has another size than the picture, or it does not
            hold the object.
        DataError: A file cannot be read.
    """
    picture, mask, wanted = parsed_reference(text)
    height, width = read_image(picture).shape[:2]
    found = read_label_image(mask, (height, width), frame, ignore)
    if wanted is not None:
        if not 1 <= wanted <= MAX_ID:
            raise InputError(f"reference {text[:80]!r}: object={wanted} is not a number from 1 to {MAX_ID}")
        ids = [each.id for each in found]
        if ids == [None]:  # a mask in black and white
            found = [replace(found[0], id=wanted)]
        elif wanted not in ids:
            known = ", ".join(str(number) for number in ids if number is not None)
            raise InputError(
                f"reference {text[:80]!r}: {mask} has no object {wanted}; it has "
                f"{known or 'colours without ids'}"
            )
        found = [each for each in found if each.id == wanted]
    file = os.path.abspath(picture)
    return [replace(each, picture=file, origin=f"reference {picture}") for each in found]
