"""CIFAR-100 and its classes, on which four datasets are built: the 100 classes, and the paper's three 20-way tasks.

Appendix B of the paper: *easy* has one class of each of the 20 superclasses, *medium* all classes of four superclasses
that look alike, *hard* the superclasses themselves, on a random fifth of the images, so that all three have equally
many: 10,000 for training and 2,000 to test.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence

from noisy_label_datasets.base.bases import RelabelledBase, TfdsBase
from noisy_label_datasets.base.examples import ExampleBatch
from noisy_label_datasets.base.splits import SplitPlan

SUPERCLASSES = {
    "aquatic_mammals": ("beaver", "dolphin", "otter", "seal", "whale"),
    "fish": ("aquarium_fish", "flatfish", "ray", "shark", "trout"),
    "flowers": ("orchid", "poppy", "rose", "sunflower", "tulip"),
    "food_containers": ("bottle", "bowl", "can", "cup", "plate"),
    "fruit_and_vegetables": ("apple", "mushroom", "orange", "pear", "sweet_pepper"),
    "household_electrical_devices": ("clock", "keyboard", "lamp", "telephone", "television"),
    "household_furniture": ("bed", "chair", "couch", "table", "wardrobe"),
    "insects": ("bee", "beetle", "butterfly", "caterpillar", "cockroach"),
    "large_carnivores": ("bear", "leopard", "lion", "tiger", "wolf"),
    "large_man-made_outdoor_things": ("bridge", "castle", "house", "road", "skyscraper"),
    "large_natural_outdoor_scenes": ("cloud", "forest", "mountain", "plain", "sea"),
    "large_omnivores_and_herbivores": ("camel", "cattle", "chimpanzee", "elephant", "kangaroo"),
    "medium_mammals": ("fox", "porcupine", "possum", "raccoon", "skunk"),
    "non-insect_invertebrates": ("crab", "lobster", "snail", "spider", "worm"),
    "people": ("baby", "boy", "girl", "man", "woman"),
    "reptiles": ("crocodile", "dinosaur", "lizard", "snake", "turtle"),
    "small_mammals": ("hamster", "mouse", "rabbit", "shrew", "squirrel"),
    "trees": ("maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"),
    "vehicles_1": ("bicycle", "bus", "motorcycle", "pickup_truck", "train"),
    "vehicles_2": ("lawn_mower", "rocket", "streetcar", "tank", "tractor"),
}
COARSE_NAMES = tuple(SUPERCLASSES)
FINE_NAMES = tuple(sorted(name for names in SUPERCLASSES.values() for name in names))

BASE = TfdsBase(
    name="cifar100",
    version="3.0.2",
    class_names=FINE_NAMES,
    image_shape=(32, 32, 3),
    extra_labels={"coarse_label": COARSE_NAMES},
)
# Section 2.2 of the paper: a training and a validation set, each halved. Its release has 20,114 and 4,978 noisy
# examples of 50,000: 80 % and 20 % of the halves.
SPLIT_PLAN = SplitPlan(
    {
        "train": {
            "clean_label_train": 0.4,
            "clean_label_valid": 0.1,
            "noisy_label_train": 0.4,
            "noisy_label_valid": 0.1,
        },
        "test": {"test": 1.0},
    }
)

# Which class stands for its superclass in the easy task the paper does not say; here the first in the alphabet.
EASY_NAMES = tuple(names[0] for names in SUPERCLASSES.values())
MEDIUM_NAMES = tuple(
    sorted(
        name
        for superclass in ("large_carnivores", "large_omnivores_and_herbivores", "medium_mammals", "small_mammals")
        for name in SUPERCLASSES[superclass]
    )
)
# Of how many images of each split of CIFAR-100 the hard task takes how many.
HARD_COUNTS = {"train": (50_000, 10_000), "test": (10_000, 2_000)}


def keep_classes(class_names: Sequence[str], batch: ExampleBatch) -> list[int | None]:
    """Returns the place of each example's class in `class_names`; None for one of another class."""
    places = {FINE_NAMES.index(name): place for place, name in enumerate(class_names)}
    return [places.get(int(label)) for label in batch.labels]


def hard_labels(batch: ExampleBatch) -> list[int | None]:
    """Returns the superclass of each example that the hard task takes; None for one that it leaves out."""
    taken = hard_ids(batch.base_split)
    superclasses = batch.extra_labels["coarse_label"]
    return [int(label) if id_ in taken else None for id_, label in zip(batch.ids, superclasses, strict=True)]


@functools.cache
def hard_ids(base_split: str) -> frozenset[str]:
    """Returns the ids of a split of CIFAR-100 that the hard task takes: those with the lowest SHA-256."""
    total, wanted = HARD_COUNTS[base_split]
    ids = [f"{base_split}_{i:05d}" for i in range(total)]
    return frozenset(sorted(ids, key=lambda id_: hashlib.sha256(f"cifar100_hard:{id_}".encode()).digest())[:wanted])


def twenty_way(class_names: tuple[str, ...]) -> RelabelledBase:
    """Returns the base of a task on twenty of the classes; examples keep `fine_label` and `coarse_label`."""
    return RelabelledBase(BASE, class_names, functools.partial(keep_classes, class_names), original_label="fine_label")


EASY_BASE = twenty_way(EASY_NAMES)
MEDIUM_BASE = twenty_way(MEDIUM_NAMES)
HARD_BASE = RelabelledBase(BASE, COARSE_NAMES, hard_labels, original_label="fine_label")
