"""A TraX tracker that gives back the masks it was given: what `hqtrack doctor` talks to.

Run as `python -m hqtrack.cli.trax_echo`, it serves one session on standard input and output.
"""

from __future__ import annotations

import trax


def serve() -> None:
    """Serve one session: every reply is the masks of the initialisation."""
    objects: list[tuple[trax.Region, dict[str, str]]] = []
    with trax.Server([trax.Region.MASK], [trax.Image.PATH], ["color"], multiobject=True) as server:
        while True:
            request = server.wait()
            if request.type not in (trax.TraxStatus.INITIALIZE, trax.TraxStatus.FRAME):
                return
            if request.type == trax.TraxStatus.INITIALIZE:
                objects = [(trax.Mask.create(region.array()), {}) for region, _ in request.objects]
            server.status(objects)


if __name__ == "__main__":
    serve()
