"""Somebody else's tracker that crashes on its first frame."""

import sys

import trax

server = trax.Server([trax.Region.MASK], [trax.Image.PATH], ["color"], multiobject=True)
server.wait()
print("reading the model of cheese", file=sys.stderr, flush=True)
raise ValueError("no cheese here")
