"""The paper's pools for CIFAR-10: Sections 2.3, 4 and 5 (low, medium, high) and Section 3.2 (steps_12000).

    noisy-labels train cifar10_noisy/high --pool cifar10/high

The raters err on 11, 19 and 48 % of the noisy labels in the paper (Table 2), with 12,000 steps on 33 % (Section 3.2).
Section 3.2 uses low and medium besides. Training costs, at two operations per multiply-add (an exaFLOP is 42 minutes at
400 TFLOP/s, a good share of an H100's bfloat16 peak):

    cifar10/low          10 raters      204.8 M examples      1.12 exaFLOP
    cifar10/medium       10 raters       43.5 M examples     0.257 exaFLOP
    cifar10/high         10 raters       12.8 M examples       0.1 exaFLOP
    cifar10/steps_12000  10 raters       30.7 M examples     0.241 exaFLOP
"""

from __future__ import annotations

from rater_training.pools.paper import Task

_TASK = Task("cifar10", image_side=32, num_classes=10)

# Architecture and number of raters, in the order of the text.
_LOW = {"inception_v1": 3, "inception_v3": 1, "inception_resnet_v2": 2, "mobilenet_v1": 2, "vgg16": 2}
_MEDIUM = {
    "inception_v4": 2,
    "mobilenet_v1": 2,
    "mobilenet_v2": 2,
    "nasnet_mobile": 1,
    "resnet50": 1,
    "resnet101": 1,
    "vgg16": 1,
}
_HIGH = {
    "inception_v2": 2,
    "inception_resnet_v2": 1,
    "mobilenet_v1": 2,
    "mobilenet_v2": 1,
    "resnet50": 2,
    "resnet101": 1,
    "resnet152": 1,
}
_SECTION = "Appendix A, CIFAR10 datasets in Section 2.3"

POOLS = tuple(
    pool
    for seed, (level, counts, steps, source) in enumerate(
        (
            ("low", _LOW, 80_000, _SECTION),
            ("medium", _MEDIUM, 17_000, _SECTION),
            ("high", _HIGH, 5_000, _SECTION),
            ("steps_12000", _HIGH, 12_000, "Appendix A, Section 3.2: the raters of high with 12,000 steps"),
        )
    )
    for pool in _TASK.pool(
        level,
        [architecture for architecture, count in counts.items() for _ in range(count)],
        batch_size=256,
        learning_rates=0.01,
        steps=steps,
        seed=100 * seed,
        source=source,
    )
)
