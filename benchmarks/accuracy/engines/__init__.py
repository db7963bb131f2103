"""The engines: quantized(job, bits, options) of each quantizes the job's network and gives its Answer."""

from collections.abc import Callable

import numpy as np

#: float32 images (n, c, h, w) to float32 logits (n, classes)
Answer = Callable[[np.ndarray], np.ndarray]
