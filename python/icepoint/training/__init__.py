"""Training of the float networks that icepoint quantizes, and of the integers that they become."""

from .classifier import BATCH_SIZE, accuracy, save_checkpoint, train_classifier
from .prepare import prepare
from .qat import FORWARDS, QATModel

__all__ = ["BATCH_SIZE", "FORWARDS", "QATModel", "accuracy", "prepare", "save_checkpoint", "train_classifier"]
