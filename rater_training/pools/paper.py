"""What the pools of the paper's Appendix A share.

    noisy-labels train pcam_noisy/low --pool pcam/low

Everything that the appendix prints (architectures, their numbers, batch size, initial learning rate, steps) stands in
the pools as printed. What it leaves open is decided here, for all of them:

*   Optimizer: it names none; `RaterConfig`'s defaults (Nesterov momentum 0.9, no weight decay). The learning rate
    starts at the printed value and falls to zero on half a cosine, as printed.
*   Augmentation: "the standard flipping and cropping". A crop of the image's size after padding by an eighth of its
    side (4 pixels at 32x32, the standard of CIFAR), and a mirror image with probability one half.
*   Networks on small images: see `rater_training.architectures.network`.
*   Arithmetic: bfloat16 with float32 parameters, as on the TPUs that the paper trained on, whose matrix products have
    been of bfloat16 by default.
*   Seeds: the paper's raters of one architecture "are randomly initialized independently". Pools of the same task with
    the same training are the same raters; all others have seeds of their own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from rater_training.config import Augmentation, PoolConfig, RaterConfig

# The ten architectures of "the PCam dataset in Section 3.3", to which most of Appendix A refers.
TEN_ARCHITECTURES = (
    "inception_v1",
    "inception_v2",
    "inception_v3",
    "inception_v4",
    "mobilenet_v1",
    "mobilenet_v2",
    "resnet50",
    "resnet152",
    "vgg16",
    "vgg19",
)


@dataclasses.dataclass(frozen=True)
class Task:
    """A dataset, as raters see it.

    Attributes:
      name: of its pools: `<name>/<level>`.
      image_side: of its square images, in pixels.
      num_classes: number of classes.
    """

    name: str
    image_side: int
    num_classes: int

    def pool(
        self,
        levels: str | Sequence[str],
        architectures: Iterable[str],
        *,
        batch_size: int,
        learning_rates: float | Iterable[float],
        steps: int,
        seed: int,
        source: str,
    ) -> list[PoolConfig]:
        """Returns one pool a level, all of the same raters: every architecture at every learning rate."""
        rates = (learning_rates,) if isinstance(learning_rates, float) else tuple(learning_rates)
        pairs = [(architecture, rate) for architecture in architectures for rate in rates]
        raters = tuple(
            RaterConfig(
                id=f"{i:02}-{architecture}",
                architecture=architecture,
                steps=steps,
                batch_size=batch_size,
                learning_rate=rate,
                augmentation=Augmentation(crop_padding=self.image_side // 8, flip=True),
                dtype="bfloat16",
                seed=seed + i,
            )
            for i, (architecture, rate) in enumerate(pairs)
        )
        return [
            PoolConfig(
                name=f"{self.name}/{level}",
                dataset=f"{self.name}_noisy",
                level=level,
                raters=raters,
                image_shape=(self.image_side, self.image_side, 3),
                num_classes=self.num_classes,
                source=source,
            )
            for level in ([levels] if isinstance(levels, str) else levels)
        ]
