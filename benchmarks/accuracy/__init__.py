"""Measures how much accuracy icepoint's recipes and other engines' quantization keep: `make accuracy`."""
