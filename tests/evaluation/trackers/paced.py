"""A tracker that repeats the first masks and takes its time: PACE seconds a frame."""

import os
import time

from hqtrack.vot.streams import reserve_stdout

reserve_stdout()

from hqtrack.vot.first_mask import FirstMask, Image, Masks  # noqa: E402
from hqtrack.vot.session import serve  # noqa: E402


class Paced(FirstMask):
    def track(self, image: Image) -> Masks:
        time.sleep(float(os.environ["PACE"]))
        return super().track(image)


raise SystemExit(serve(Paced, name="Paced"))
