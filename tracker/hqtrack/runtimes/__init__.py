"""Networks outside of PyTorch: export to ONNX graphs, and encoders that other runtimes run."""
