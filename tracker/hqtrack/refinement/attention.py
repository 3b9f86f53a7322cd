"""The attention of SAM's image encoders by PyTorch's fused kernel, with the parameters of the library's.

The library computes the whole attention map, adds the positions and normalises the sum: each a step of its
own over (heads, 4096, 4096) numbers. Here positions are the bias of one `scaled_dot_product_attention`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class RelativeAttention(nn.Module):
    """Attention of SAM's ViT, with decomposed relative positions.

    Args:
        module: The library's attention of a block; its parameters are shared, and so keep their names.
    """

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.heads: int = module.num_heads
        self.qkv: nn.Linear = module.qkv
        self.proj: nn.Linear = module.proj
        self.rel_pos_h: nn.Parameter = module.rel_pos_h
        self.rel_pos_w: nn.Parameter = module.rel_pos_w

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend within each map of tokens.

        Args:
            tokens: (B, H, W, C), of the size for which the relative positions were trained.

        Returns:
            (B, H, W, C).
        """
        batch, height, width, _ = tokens.shape
        qkv = self.qkv(tokens).view(batch, height * width, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        grid = query.unflatten(2, (height, width))
        rows = torch.einsum("bnhwc,hkc->bnhwk", grid, _relative(self.rel_pos_h, height)).contiguous()
        columns = torch.einsum("bnhwc,wkc->bnhwk", grid, _relative(self.rel_pos_w, width)).contiguous()
        bias = (rows[..., :, None] + columns[..., None, :]).flatten(4).flatten(2, 3)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        projected: Tensor = self.proj(attended.transpose(1, 2).reshape(batch, height, width, -1))
        return projected


class BiasedAttention(nn.Module):
    """Attention of TinyViT within windows, with one learnt bias for each distance.

    The library gathers these biases when it is set to evaluate; one that loads weights after that works with
    the biases it had before. Here they are gathered from the parameters that the module has now.

    Args:
        module: The library's attention of a block, with its weights loaded; its parameters are shared.
    """

    bias: Tensor

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.heads: int = module.num_heads
        self.split: tuple[int, int, int] = (module.key_dim, module.key_dim, module.d)
        self.norm: nn.LayerNorm = module.norm
        self.qkv: nn.Linear = module.qkv
        self.proj: nn.Linear = module.proj
        self.attention_biases: nn.Parameter = module.attention_biases
        bias = self.attention_biases.detach()[:, module.attention_bias_idxs]
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend within each window.

        Args:
            tokens: (B, N, C), the N tokens of each window row by row.

        Returns:
            (B, N, C).
        """
        batch, count, _ = tokens.shape
        qkv = self.qkv(self.norm(tokens)).view(batch, count, self.heads, -1).transpose(1, 2)
        query, key, value = qkv.split(self.split, dim=3)
        attended = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=self.bias.to(query.dtype)
        )
        projected: Tensor = self.proj(attended.transpose(1, 2).reshape(batch, count, -1))
        return projected


def fuse_attention(encoder: nn.Module) -> None:
    """Replace the library's attention by ours in every block of an image encoder, in place.

    The encoder must hold its weights already; the names in its state dict stay the same.
    """
    for block in list(encoder.modules()):
        attention = getattr(block, "attn", None)
        if hasattr(attention, "rel_pos_h"):
            block.attn = RelativeAttention(attention)
        elif hasattr(attention, "attention_biases"):
            block.attn = BiasedAttention(attention)


def _relative(table: Tensor, size: int) -> Tensor:
    """Spread a table (2 size - 1, C) of relative positions over pairs of query and key: (size, size, C)."""
    position = torch.arange(size, device=table.device)
    return table[position[:, None] - position[None, :] + size - 1]
