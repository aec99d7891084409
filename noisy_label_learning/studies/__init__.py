"""The studies of Section 3 of the paper, and whether results here foretell results on human labels."""

from __future__ import annotations

from noisy_label_learning.studies import difficulty, human, imbalance, pretraining
from noisy_label_learning.studies.study import Study

STUDIES: dict[str, Study] = {
    study.name: study for study in (imbalance.STUDY, pretraining.STUDY, difficulty.STUDY, human.STUDY)
}
