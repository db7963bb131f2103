"""What leaves a frozen model for others: its integers with a NumPy interpreter, C, JSON, ONNX."""
