"""PatchCamelyon with the labels of simulated raters."""

import tensorflow_datasets as tfds

from noisy_label_datasets.base.bases import TfdsBase
from noisy_label_datasets.base.splits import SplitPlan
from noisy_label_datasets.build.builder import NoisyLabelBuilder
from noisy_label_datasets.build.configs import standard_configs


class Builder(NoisyLabelBuilder):
    """PatchCamelyon with noisy labels, at three levels of noise."""

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {
        "2.0.0": "An example that nobody labelled has -1 for each rater in `noisy_labels`, where it had an empty list.",
        "1.0.0": "First release.",
    }

    # TFDS does not name the classes; 1 is tumour tissue in the centre of the patch.
    BASE = TfdsBase(name="patch_camelyon", version="2.0.0", class_names=("0", "1"), image_shape=(96, 96, 3))
    BEAM = True  # 327,680 images of 7 GB
    # Section 2.2 of the paper: its own training and validation set, each halved. The release has 130,982 noisy examples
    # of 262,144 and 16,394 of 32,768.
    SPLIT_PLAN = SplitPlan(
        {
            "train": {"clean_label_train": 0.5, "noisy_label_train": 0.5},
            "validation": {"clean_label_valid": 0.5, "noisy_label_valid": 0.5},
            "test": {"test": 1.0},
        }
    )
    # Twenty raters, nineteen at level medium; the paper's (Table 4) have the error rates 0.10, 0.18 and 0.23.
    BUILDER_CONFIGS = standard_configs(
        {
            "low": "Twenty raters, of whose labels 10 % were wrong in the paper.",
            "medium": "Twenty raters, of whose labels 18 % were wrong in the paper.",
            "high": "Twenty raters, of whose labels 23 % were wrong in the paper.",
        },
        rates=(0.15, 0.2, 0.3, 0.4),
        published=True,
        studies={
            **{
                f"section31_{steps}": f"Twenty raters, trained for {steps:,} steps (Section 3.1 of the paper)."
                for steps in (10_000, 20_000, 50_000, 80_000)
            },
            "section33": "Twenty raters of Section 3.3 of the paper.",
        },
        same_raters={"section31_10000": "high", "section33": "high"},  # Appendix A: trained alike
    )
