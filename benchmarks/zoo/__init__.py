"""torchvision's networks in integers, beside float and ONNX Runtime: `make zoo`."""
