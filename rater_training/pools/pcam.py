"""The paper's pools for PatchCamelyon: Sections 4 and 5 (low, medium, high), 3.1 (by steps) and 3.3.

    noisy-labels train pcam_noisy/low --pool pcam/low

Twenty raters each: ten architectures at two initial learning rates, 0.01 and 0.001. They err on 10, 18 and 23 % of the
noisy labels in the paper (Table 4). Two things had to be decided:

*   For Sections 4 and 5 the text says "the same combinations of the 10 architectures and 2 initial learning rates"
    and then "initial learning rate 0.01". The first is followed: it is what makes ten architectures twenty raters, as
    in the other PatchCamelyon pools. The high pool is then that of Section 3.3 (and the first of 3.1): the same
    architectures, rates, batch size and 10,000 steps.
*   Of the medium pool "one of the Inception-v1 models failed due to system error"; which, is not said. Here the one
    with learning rate 0.001 is left out, so this pool has nineteen raters.

Training costs, at two operations per multiply-add (an exaFLOP is 42 minutes at 400 TFLOP/s, a good share of an H100's
bfloat16 peak):

    pcam/high             20 raters       51.2 M examples     0.376 exaFLOP
    pcam/section31_10000  20 raters       51.2 M examples     0.376 exaFLOP
    pcam/section33        20 raters       51.2 M examples     0.376 exaFLOP
    pcam/medium           19 raters       73.0 M examples     0.558 exaFLOP
    pcam/section31_20000  20 raters      102.4 M examples     0.753 exaFLOP
    pcam/low              20 raters      179.2 M examples      1.32 exaFLOP
    pcam/section31_50000  20 raters      256.0 M examples      1.88 exaFLOP
    pcam/section31_80000  20 raters      409.6 M examples      3.01 exaFLOP
"""

from __future__ import annotations

import dataclasses

from rater_training.config import PoolConfig
from rater_training.pools.paper import TEN_ARCHITECTURES, Task

_TASK = Task("pcam", image_side=96, num_classes=2)
# Both, although for Sections 4 and 5 "initial learning rate 0.01" is printed too; see above.
_LEARNING_RATES = (0.01, 0.001)

# Steps, and the levels that are trained for so many.
_BY_STEPS = (
    (10_000, ("high", "section31_10000", "section33")),
    (15_000, ("medium",)),
    (20_000, ("section31_20000",)),
    (35_000, ("low",)),
    (50_000, ("section31_50000",)),
    (80_000, ("section31_80000",)),
)


def _without_the_failed(pool: PoolConfig) -> PoolConfig:
    kept = (r for r in pool.raters if (r.architecture, r.learning_rate) != ("inception_v1", 0.001))
    return dataclasses.replace(pool, raters=tuple(kept))


_ALL = [
    pool
    for seed, (steps, levels) in enumerate(_BY_STEPS)
    for pool in _TASK.pool(
        levels,
        TEN_ARCHITECTURES,
        batch_size=256,
        learning_rates=_LEARNING_RATES,
        steps=steps,
        seed=100 * seed,
        source="Appendix A, PCam",
    )
]

POOLS = tuple(_without_the_failed(pool) if pool.level == "medium" else pool for pool in _ALL)
