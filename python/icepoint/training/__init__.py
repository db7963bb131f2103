"""Training of the float networks that icepoint quantizes."""

from .classifier import accuracy, save_checkpoint, train_classifier

__all__ = ["accuracy", "save_checkpoint", "train_classifier"]
