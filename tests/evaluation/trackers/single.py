"""A tracker of one object by the protocol's library alone: it repeats the first region."""

import trax

KINDS = [trax.Region.MASK, trax.Region.RECTANGLE, trax.Region.POLYGON]
server = trax.Server(KINDS, [trax.Image.PATH], ["color"])
region = None
while True:
    request = server.wait()
    if request.type == trax.TraxStatus.QUIT:
        break
    if request.type == trax.TraxStatus.INITIALIZE:
        region = request.objects[0][0]
    server.status([(region, {"confidence": 0.5})])
