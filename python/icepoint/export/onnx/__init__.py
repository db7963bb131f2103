"""A frozen model as ONNX: QDQ or the integers themselves, and the check of either in ONNX Runtime."""
