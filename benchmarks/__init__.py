"""Measures icepoint beside the engines a user could pick instead: `make bench`, or `python -m benchmarks`."""
