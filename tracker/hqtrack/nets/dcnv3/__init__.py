"""DCNv3, the operator of InternImage: in plain PyTorch everywhere, and as one kernel where Triton is."""

from hqtrack.nets.dcnv3.in_pytorch import Kernel, dcnv3_in_pytorch
from hqtrack.nets.dcnv3.layer import DCNv3, dcnv3

__all__ = ["DCNv3", "Kernel", "dcnv3", "dcnv3_in_pytorch"]
