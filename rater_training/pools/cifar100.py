"""The paper's pools for CIFAR-100 (Sections 4 and 5), and for the three 20-way tasks made of it (Section 3.3).

    noisy-labels train cifar100_noisy/medium --pool cifar100/medium
    noisy-labels train cifar100_easy_noisy/section33 --pool cifar100_easy/section33

The raters err on 25, 38 and 43 % of the noisy labels in the paper (Table 3). As printed, the pool of the low level has
by far the shortest training of the three; that is kept. Training costs, at two operations per multiply-add (an exaFLOP
is 42 minutes at 400 TFLOP/s, a good share of an H100's bfloat16 peak):

    cifar100/low               11 raters       14.1 M examples     0.101 exaFLOP
    cifar100/medium            11 raters      563.2 M examples      4.03 exaFLOP
    cifar100/high              11 raters      225.3 M examples      1.61 exaFLOP
    cifar100_easy/section33    10 raters        6.4 M examples    0.0584 exaFLOP
    cifar100_medium/section33  11 raters       56.3 M examples     0.403 exaFLOP
    cifar100_hard/section33    11 raters      281.6 M examples      2.01 exaFLOP
"""

from __future__ import annotations

from rater_training.pools.paper import TEN_ARCHITECTURES, Task

_CIFAR100 = Task("cifar100", image_side=32, num_classes=100)
# "The 11 architectures include the 10 architectures for the PCam dataset in Section 3.3 with an additional ResNet101."
_ELEVEN = (*TEN_ARCHITECTURES, "resnet101")
_EASY = (
    "inception_v1",
    "inception_v2",
    "inception_v3",
    "inception_v4",
    "inception_resnet_v2",
    "mobilenet_v1",
    "mobilenet_v2",
    "resnet50",
    "resnet101",
    "resnet152",
)

# As printed, although low then has the shortest training and the smallest rate of the three.
_LEVELS = (("low", 128, 0.001, 10_000), ("medium", 256, 0.01, 200_000), ("high", 256, 0.01, 80_000))
_TASKS = (
    ("cifar100_easy", _EASY, 3e-5, 5_000),
    ("cifar100_medium", _ELEVEN, 0.003, 40_000),
    ("cifar100_hard", _ELEVEN, 0.01, 200_000),
)

POOLS = (
    *(
        pool
        for seed, (level, batch_size, learning_rate, steps) in enumerate(_LEVELS)
        for pool in _CIFAR100.pool(
            level,
            _ELEVEN,
            batch_size=batch_size,
            learning_rates=learning_rate,
            steps=steps,
            seed=100 * seed,
            source="Appendix A, CIFAR100",
        )
    ),
    *(
        pool
        for name, architectures, learning_rate, steps in _TASKS
        for pool in Task(name, image_side=32, num_classes=20).pool(
            "section33",
            architectures,
            batch_size=128,
            learning_rates=learning_rate,
            steps=steps,
            seed=0,
            source="Appendix A, tasks based on CIFAR100 in Section 3.3",
        )
    ),
)
