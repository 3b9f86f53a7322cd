"""DCNv3, the operator of InternImage: in plain PyTorch everywhere, and as one kernel where Triton is."""

from hqtrack.nets.dcnv3.in_pytorch import DCNv3, Window, dcnv3, dcnv3_in_pytorch

__all__ = ["DCNv3", "Window", "dcnv3", "dcnv3_in_pytorch"]
