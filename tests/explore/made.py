"""Made-up examples to explore."""

import io

import numpy as np
from PIL import Image

from noisy_label_datasets.explore.model import Example, Explored

HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    '"><img src=x onerror="window.hacked = 2">',
    "<!--<script>",
    "{{style}} {{data}} {{nothing}}",
    "\u202eesrever\u2028 line & \x1b[31m red",
    "long" * 60,
)


def encoded(size: tuple[int, int] = (12, 9), colour: tuple[int, int, int] = (200, 30, 90), kind: str = "PNG") -> bytes:
    """An image of one colour; size: (width, height)."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


def explored(
    n: int = 30,
    *,
    class_names: tuple[str, ...] = ("cat", "dog", "elephant"),
    num_raters: int = 4,
    image: bytes | None = None,
    ids: str = "image_{:04d}",
    probabilities: bool = True,
    name: str = "made_up/low",
) -> Explored:
    """Examples with random labels, the first of which nobody labelled."""
    rng = np.random.default_rng(0)
    num_classes = len(class_names)
    scores = rng.dirichlet(np.full(num_classes, 0.4), (n, num_raters)).astype(np.float32)
    noisy_labels = scores.argmax(axis=-1)
    noisy_labels[0] = -1
    return Explored(
        name=name,
        version="1.0.0",
        split="noisy_label_train",
        num_examples=10 * n,
        seed=3,
        class_names=class_names,
        rater_ids=tuple(f"{r:02d}-made_up" for r in range(num_raters)),
        examples=[
            Example(ids.format(i), image or encoded(colour=(i % 256, 99, 7)), i % num_classes, noisy_labels[i], *drawn)
            for i, drawn in enumerate([(0, -1), *((int(row[1]), 1) for row in noisy_labels[1:])])
        ],
        probabilities=scores if probabilities else None,
        no_probabilities="" if probabilities else "There are none.",
    )
