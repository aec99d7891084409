"""What runs cost: floating-point operations beforehand, the peak of memory afterwards.

training_flops(config, image_shape=(32, 32, 3), num_classes=10, examples=20_000)

peak = PeakMemory()
...
peak.mebibytes()
"""

from __future__ import annotations

import contextlib
import pathlib
import re
import resource

from noisy_label_learning.runs.config import RunConfig
from rater_training.pools import cost

_FORWARD_AND_BACKWARD = 3  # forward passes; backward to the inputs and to the parameters are one each
_OPERATIONS_A_MULTIPLY_ADD = 2


def training_flops(config: RunConfig, *, image_shape: tuple[int, int, int], num_classes: int, examples: int) -> float:
    """Returns the floating-point operations of training a run's own networks (`rater_training.pools.cost`).

    Not counted are evaluation, networks that a corrector or the algorithm trains beforehand, and further forward passes
    of an algorithm.

    Args:
      config: the run.
      image_shape: height, width, channels.
      num_classes: K.
      examples: of the training split.
    """
    forward = cost.forward_multiply_adds(
        config.network.architecture, image_shape, config.algorithm.outputs(num_classes), config.network.width
    )
    schedule = config.schedule
    seen = schedule.epochs * schedule.steps_per_epoch(examples) * schedule.batch_size * config.algorithm.networks
    return float(_FORWARD_AND_BACKWARD * _OPERATIONS_A_MULTIPLY_ADD * seen * forward)


class PeakMemory:
    """The most memory that this process has held since this object was made, where the system can say so (Linux).

    Elsewhere, since the process was started: an upper bound.
    """

    def __init__(self) -> None:
        with contextlib.suppress(OSError):
            pathlib.Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is held now

    def mebibytes(self) -> float:
        """Returns the peak of resident memory."""
        try:
            found = re.search(r"^VmHWM:\s+(\d+) kB$", pathlib.Path("/proc/self/status").read_text(), re.MULTILINE)
        except OSError:
            found = None
        kibibytes = int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return round(kibibytes / 1024, 1)
