"""What training for few bits is judged by: right answers in float, before, after, and of the executable."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Judged:
    """Right answers on `count` images: of the float network, of its integers without training, of what
    training ends with in Python, and of the C++ program on the saved file (None where it is not built).
    `integers` says what has how many bits."""

    integers: str
    count: int
    in_float: int
    untrained: int
    trained: int
    executable: int | None
    seconds: float
    loss: float

    def __str__(self) -> str:
        def share(right: int) -> str:
            return f"{right} of {self.count} right ({100 * right / self.count:.2f} %)"

        program = "is not built: make build" if self.executable is None else share(self.executable)
        return (
            f"the integers        {self.integers}\n"
            f"float               {share(self.in_float)}\n"
            f"integers, untrained {share(self.untrained)}\n"
            f"integers, trained   {share(self.trained)}, in {self.seconds:.0f} s, loss {self.loss:.4f}\n"
            f"the executable      {program}"
        )
