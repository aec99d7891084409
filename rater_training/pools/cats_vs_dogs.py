"""The paper's pools for Cats vs Dogs: Sections 4 and 5 (low, medium, high), 3.1, 3.2 and 3.3.

    noisy-labels train cats_vs_dogs_noisy/low --pool cats_vs_dogs/low

Ten raters each, one an architecture, which err on 9, 20 and 29 % of the noisy labels in the paper (Table 5). The pools
of the studies are named by section and steps. Some coincide and have the same raters: of Section 3.2 the one with
learning rate 0.01 is medium, and two are also of Section 3.1; that of Section 3.3 is high. Images are seen at 224x224,
the size that these networks were made for; the paper does not say which it used. Training costs, at two operations a
multiply-add (an exaFLOP is 42 minutes at 400 TFLOP/s, a good share of an H100's bfloat16 peak):

    cats_vs_dogs/high              10 raters       12.8 M examples     0.488 exaFLOP
    cats_vs_dogs/section33         10 raters       12.8 M examples     0.488 exaFLOP
    cats_vs_dogs/section31_25000   10 raters       32.0 M examples      1.22 exaFLOP
    cats_vs_dogs/section32_25000   10 raters       32.0 M examples      1.22 exaFLOP
    cats_vs_dogs/low               10 raters       64.0 M examples      2.44 exaFLOP
    cats_vs_dogs/section31_100000  10 raters      128.0 M examples      4.88 exaFLOP
    cats_vs_dogs/section32_100000  10 raters      128.0 M examples      4.88 exaFLOP
    cats_vs_dogs/medium            10 raters       12.8 M examples     0.488 exaFLOP
    cats_vs_dogs/section32_10000   10 raters       12.8 M examples     0.488 exaFLOP
    cats_vs_dogs/section31_50000   10 raters       64.0 M examples      2.44 exaFLOP
"""

from __future__ import annotations

from rater_training.pools.paper import TEN_ARCHITECTURES, Task

_TASK = Task("cats_vs_dogs", image_side=224, num_classes=2)

# Initial learning rate, steps, and the levels that are trained so.
_BY_TRAINING = (
    (0.001, 10_000, ("high", "section33")),
    (0.001, 25_000, ("section31_25000", "section32_25000")),
    (0.001, 50_000, ("low",)),
    (0.001, 100_000, ("section31_100000", "section32_100000")),
    (0.01, 10_000, ("medium", "section32_10000")),
    (0.01, 50_000, ("section31_50000",)),
)

POOLS = tuple(
    pool
    for seed, (learning_rate, steps, levels) in enumerate(_BY_TRAINING)
    for pool in _TASK.pool(
        levels,
        TEN_ARCHITECTURES,
        batch_size=128,
        learning_rates=learning_rate,
        steps=steps,
        seed=100 * seed,
        source="Appendix A, CvD",
    )
)
