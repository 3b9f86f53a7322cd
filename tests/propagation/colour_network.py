"""A propagation network without weights: a block of 16 x 16 pixels belongs to whom its colour belonged to."""

import torch
import torch.nn.functional as F
from torch import Tensor

from hqtrack.nets.interface import (
    Features,
    Identity,
    LayerLayout,
    Memory,
    MemoryEntry,
    Propagation,
    PropagationNetwork,
    channels_of,
)


class ColourNetwork(PropagationNetwork):
    """Attention from the colours of a frame's blocks to the colours in memory; values are the masks."""

    align_corners = False
    layouts = (LayerLayout(16, 1, 3, 11),)

    def encode(self, images: Tensor) -> Features:
        return (F.avg_pool2d(images, 16),)

    def embed_identity(self, one_hot: Tensor) -> Identity:
        absent = self.max_objects + 1 - one_hot.shape[1]
        return (F.pad(F.avg_pool2d(one_hot, 16), (0, 0, 0, 0, 0, absent)),)

    def reference(self, features: Features, identity: Identity) -> Memory:
        return self.memorize(Propagation((), ((_tokens(features[0]),),)), identity)

    def propagate(
        self,
        features: Features,
        long_term: Memory,
        short_term: Memory,
        references: float = 1,
        identities: int | None = None,
    ) -> Propagation:
        query = _tokens(features[0])
        key = torch.cat([long_term[0].key, short_term[0].key], 2)
        value = torch.cat([long_term[0].value, short_term[0].value], 2)
        weights = (-100 * torch.cdist(query, key)).softmax(-1)
        found = (weights @ value)[:, 0].transpose(1, 2).unflatten(2, features[0].shape[-2:])
        return Propagation((found,), ((query,),))

    def decode(self, features: Features, propagation: Propagation, identities: Tensor) -> Tensor:
        found = channels_of(propagation.embeddings[0], identities)
        return F.interpolate(torch.log(found + 1e-3), scale_factor=4)

    def memorize(self, propagation: Propagation, identity: Identity) -> Memory:
        return (MemoryEntry(propagation.pending[0][0], _tokens(identity[0])),)


def _tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)[:, None]
