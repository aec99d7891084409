"""Correctors: majority votes, how many labels they leave wrong, and LQM on planted raters."""

import dataclasses

import numpy as np
import pytest

from noisy_label_learning.algorithms.noise_rate import resolved
from noisy_label_learning.correctors import LQM, CleanSubset, Corrected, DawidSkene, Majority, NoCorrector, Tools
from noisy_label_learning.correctors.aggregate import majority_labels
from noisy_label_learning.correctors.dawid_skene import dawid_skene
from noisy_label_learning.correctors.lqm import cleaner_labels
from noisy_label_learning.correctors.rater_features import describe, paired_confusions
from noisy_label_learning.errors import LearningError
from tests.learning.problems import planted, symmetric


def test_majority_ties_are_drawn_by_the_id_and_not_given_to_the_first_class():
    shares = np.full((2000, 2), 0.5)
    found = majority_labels(shares, np.arange(2000))
    assert 0.45 < found.mean() < 0.55
    np.testing.assert_array_equal(found[::-1], majority_labels(shares, np.arange(2000)[::-1]))


def test_majority_by_hand(small_problem):
    found = Majority().correct(small_problem.data, 0, no_tools()).labels
    for i, labels in enumerate(small_problem.data.train.noisy_labels[:50]):
        counts = np.bincount(labels, minlength=3)
        assert counts[found[i]] == counts.max()


def test_correctors_correct_the_validation_labels_too(small_problem):
    """The majority by counting; Dawid & Skene's posterior is, of the examples of the fit, that of the fit."""
    data, everyone = small_problem.data, dataclasses.replace(small_problem.data, valid=small_problem.data.train)
    voted = Majority().correct(data, 0, no_tools()).valid
    for row, labels in zip(voted, data.valid.noisy_labels, strict=True):
        counts = np.bincount(labels, minlength=3)
        assert row.max() == row.sum() == 1
        assert counts[row.argmax()] == counts.max()
    fitted = DawidSkene(tolerance=1e-9, iterations=2000).correct(everyone, 0, no_tools())
    np.testing.assert_allclose(fitted.valid, fitted.probabilities, atol=1e-3)  # one more iteration
    assert DawidSkene().correct(data, 0, no_tools()).valid.shape == (len(data.valid), 3)
    assert CleanSubset().correct(data, 0, no_tools()).valid is None  # it knows no more of validation


def test_the_clean_subset_is_clean_and_the_rest_as_it_was(small_problem):
    data = small_problem.data
    found = CleanSubset().correct(data, 0, no_tools())
    np.testing.assert_array_equal(found.labels[data.paired.rows], data.paired.clean_labels)
    rest = np.setdiff1d(np.arange(len(data.train)), data.paired.rows)
    np.testing.assert_array_equal(found.labels[rest], data.train.noisy_label[rest])
    assert found.clean_labels_used == len(data.paired)


def test_targets_are_sampled_by_id():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), 4000)
    ids = np.array([f"x_{i}" for i in range(4000)])
    corrected = Corrected(probabilities, 0)
    drawn = corrected.sampled(ids, seed=0)
    assert set(np.unique(drawn)) == {0, 1}
    np.testing.assert_array_equal(drawn.sum(axis=1), 1)
    assert abs(drawn.mean(axis=0) - probabilities.mean(axis=0)).max() < 0.03
    turned = Corrected(probabilities[::-1], 0).sampled(ids[::-1], seed=0)
    np.testing.assert_array_equal(turned[::-1], drawn)
    assert (corrected.sampled(ids, seed=1) != drawn).any()
    certain = np.eye(4)[rng.integers(0, 4, 50)]
    np.testing.assert_array_equal(Corrected(certain, 0).sampled(ids[:50], seed=3), certain)


# ---------------------------------------------------------------------------------------------------------------------
# How many labels are still wrong


def err_together(labels, images, rng):
    """Ten raters; on a tenth of the images nine of them say the same wrong class, elsewhere each errs at 10 %."""
    alone = (labels[:, None] + (rng.random((len(labels), 10)) < 0.1)) % 3
    together = np.where(rng.random((len(labels), 10)) < 0.1, labels[:, None], (labels[:, None] + 1) % 3)
    return np.where((rng.random(len(labels)) < 0.1)[:, None], together, alone).astype(np.int32)


def test_raters_who_err_together_leave_errors_that_dawid_skene_does_not_expect():
    problem = planted(None, n=2000, flip=err_together, paired_share=0.1)
    fit = dawid_skene(problem.data.train.noisy_labels, 3)
    real = 1 - fit.posterior[np.arange(2000), problem.answers.train_labels].mean()
    assert 0.08 < real < 0.12
    assert 1 - (fit.posterior**2).sum(axis=1).mean() < 0.01  # what the model says of itself
    by_raters = DawidSkene().correct(problem.data, 0, no_tools())
    assert by_raters.error_basis == "the raters' accuracy"
    assert 0.03 < by_raters.expected_error < 0.12
    held_out = DawidSkene(gold=True).correct(problem.data, 0, no_tools())
    assert held_out.error_basis == "the paired subset, held out"
    assert abs(held_out.expected_error - np.mean(held_out.labels != problem.answers.train_labels)) < 0.04
    assert abs(Majority().correct(problem.data, 0, no_tools()).expected_error - by_raters.expected_error) < 0.03


def test_of_independent_raters_the_expectation_is_that_of_the_model():
    problem = planted(np.stack([symmetric(0.35)] * 5), n=2000)
    corrected = DawidSkene().correct(problem.data, 0, no_tools())
    real = 1 - corrected.probabilities[np.arange(2000), problem.answers.train_labels].mean()
    assert abs(corrected.expected_error - real) < 0.02


def test_the_noise_rate_after_a_corrector():
    data = planted(None, n=2000, flip=err_together, paired_share=0.1).data
    aggregated = DawidSkene().correct(data, 0, no_tools())
    assert resolved("raters", data, aggregated).source == "corrector: the raters' accuracy"
    counted = resolved("paired_subset", data, aggregated)  # no clean label went into them: they can be counted
    assert counted.source == "paired_subset"
    assert counted.rate == np.mean(aggregated.labels[data.paired.rows] != data.paired.clean_labels)
    known = CleanSubset().correct(data, 0, no_tools())  # counted there, they would all be right
    given = np.mean(data.train.noisy_label[data.paired.rows] != data.paired.clean_labels)
    assert resolved("paired_subset", data, known).rate == pytest.approx(given * (1 - len(data.paired) / 2000))
    assert resolved(0.3, data, known).source == "told"


# ---------------------------------------------------------------------------------------------------------------------
# LQM


def no_tools():
    """Nothing that a corrector without a network should ask for."""

    def fail(rows, labels, seed, tuned_on=None):
        raise AssertionError("no classifier was to be trained")

    return Tools(fail)


def blind_tools(data):
    """An auxiliary classifier that sees nothing: what LQM learns is of labels and raters alone."""
    zeros = np.zeros((len(data.train), data.num_classes)), np.zeros((len(data.valid), data.num_classes))
    return Tools(lambda rows, labels, seed, tuned_on=None: zeros)


def rater_dependent():
    """Rater 0 always says the next class, rater 1 is right: a label means something else from each."""
    shift = np.roll(np.eye(3), 1, axis=1)
    return planted(np.stack([shift, np.eye(3)]), n=600, paired_share=0.2)


@pytest.mark.parametrize("confusion", ["matrix", "column", "none"])
def test_lqm_recovers_a_planted_rater_dependent_confusion(confusion):
    """The margin stated beforehand: from half of the labels wrong to less than 2 %."""
    problem = rater_dependent()
    lqm = LQM(gamma=1.0, confusion=confusion, hidden=(8,))
    corrected = lqm.correct(problem.data, 0, blind_tools(problem.data))
    before = np.mean(problem.data.train.noisy_label != problem.answers.train_labels)
    assert 0.4 < before < 0.6
    assert np.mean(corrected.labels != problem.answers.train_labels) < 0.02
    of_valid = corrected.valid.argmax(axis=1)
    assert np.mean(problem.data.valid.noisy_label != problem.answers.valid_labels) > 0.4
    assert np.mean(of_valid != problem.answers.valid_labels) < 0.02
    assert corrected.clean_labels_used == len(problem.data.paired)


def test_gamma_mixes_with_the_given_label():
    problem, small = rater_dependent(), {"auxiliary": "all", "hidden": (8,)}
    tools = blind_tools(problem.data)
    whole, half, none = (
        LQM(gamma=gamma, **small, keep_clean=False).correct(problem.data, 0, tools).probabilities
        for gamma in (1.0, 0.5, 0.0)
    )
    given = np.eye(3)[problem.data.train.noisy_label]
    np.testing.assert_allclose(none, given)
    np.testing.assert_allclose(half, 0.5 * whole + 0.5 * given)
    halved = LQM(gamma=0.5, **small).correct(problem.data, 0, tools)
    kept = halved.probabilities
    paired = problem.data.paired
    np.testing.assert_array_equal(kept[paired.rows].argmax(axis=1), paired.clean_labels)
    others = np.setdiff1d(np.arange(600), paired.rows)
    np.testing.assert_allclose(kept[others], half[others])
    # The target of a half never leaves the given label; what the model believes is another thing.
    np.testing.assert_array_equal(halved.labels[others], whole[others].argmax(axis=1))


def test_lqm_does_no_harm_to_labels_that_it_cannot_better():
    """Of thirty paired examples and labels that are nearly all right the model learns less than the labels say."""
    problem = planted(np.stack([symmetric(0.04)] * 4), n=300, paired_share=0.1)
    data, truth = problem.data, problem.answers.train_labels
    rng = np.random.default_rng(0)
    noise = Tools(lambda rows, labels, seed, tuned_on=None: (rng.normal(size=(300, 3)), rng.normal(size=(150, 3))))
    corrected = LQM(hidden=(8,)).correct(data, 0, noise)
    held_out = corrected.details["held_out_error"]
    assert held_out["model"] > held_out["given"]
    assert (corrected.details["gamma"], corrected.details["gamma_by"]) == (
        0.0,
        "cross-validation on the paired subset",
    )
    assert np.mean(corrected.labels != truth) <= np.mean(data.train.noisy_label != truth)
    assert corrected.valid is None  # nor does it select an epoch
    forced = LQM(hidden=(8,), gamma=1.0).correct(data, 0, noise)
    drawn = forced.sampled(data.train.ids, 0).argmax(axis=1)
    assert np.mean(drawn != truth) > np.mean(data.train.noisy_label != truth)


def test_what_lqm_expects_of_its_labels_is_about_right():
    problem = planted(np.stack([symmetric(0.3), symmetric(0.5)]), n=600)
    corrected = LQM(gamma=1.0, hidden=(8,)).correct(problem.data, 0, blind_tools(problem.data))
    drawn = corrected.sampled(problem.data.train.ids, 0).argmax(axis=1)
    assert abs(corrected.expected_error - np.mean(drawn != problem.answers.train_labels)) < 0.08


def test_auxiliary_and_gamma_are_chosen_on_the_paired_subset():
    """Noisy validation has the raters' mistakes, which the auxiliary that was trained on noisy labels repeats."""
    problem = rater_dependent()
    data, truth = problem.data, problem.answers.train_labels
    paired, trained = data.paired.rows, []
    rng = np.random.default_rng(0)

    def classifier(rows, labels, seed, tuned_on=None):
        trained.append((len(rows), np.isin(paired, rows).mean(), np.mean(labels == truth[rows])))
        # It knows by heart what it was trained on; elsewhere it is as good as its labels.
        guess = np.where(rng.random(len(truth)) < np.mean(labels == truth[rows]), truth, (truth + 1) % 3)
        guess[rows] = labels
        return 4 * np.eye(3)[guess], 4 * np.eye(3)[data.valid.noisy_label]

    lqm = LQM(gammas=(0.5, 1.0), hidden=(8,), confusion="none", folds=3)
    blind = dataclasses.replace(data, raters=[{**rater, "accuracy": 0.5} for rater in data.raters])
    corrected = lqm.correct(blind, 0, Tools(classifier))
    details = corrected.details
    assert details["auxiliary"] == "paired"
    held_out = details["auxiliary_held_out_loss"]
    assert held_out["paired"] < held_out["all"]
    rows = [count for count, _, _ in trained]
    others = 600 - len(paired)
    assert rows[0] == 600
    assert sum(rows[1:4]) == 2 * len(paired)  # on the other two of three folds
    assert rows[4:] == [others, others]
    assert [share for _, share, _ in trained[4:]] == [0, 0]  # what gamma is chosen on was not trained on
    assert details["gamma"] == 1.0  # the model's labels are right here, half of the given ones are not


def test_the_auxiliary_may_be_fine_tuned_on_the_paired_subset():
    problem = rater_dependent()
    data, tuned = problem.data, []

    def classifier(rows, labels, seed, tuned_on):
        tuned.append(tuned_on)
        assert len(rows) == len(data.train)
        return np.zeros((len(data.train), 3)), np.zeros((len(data.valid), 3))

    LQM(auxiliary="fine_tuned", gamma=1.0, hidden=(8,), folds=2).correct(data, 0, Tools(classifier))
    np.testing.assert_array_equal(np.sort(np.concatenate([rows for rows, _ in tuned])), data.paired.rows)
    for rows, labels in tuned:
        np.testing.assert_array_equal(labels, problem.answers.train_labels[rows])


def test_all_labels_of_the_paired_subset_are_learned_from_if_wanted():
    problem = planted(np.stack([symmetric(0.4)] * 4), n=400)
    tools = blind_tools(problem.data)
    drawn = LQM(gamma=1.0, auxiliary="all", hidden=(8,)).correct(problem.data, 0, tools)
    every = LQM(gamma=1.0, auxiliary="all", hidden=(8,), all_labels=True).correct(problem.data, 0, tools)
    assert (drawn.details["rows"], every.details["rows"]) == (len(problem.data.paired), 4 * len(problem.data.paired))


def test_the_cleaner_label_need_not_be_clean():
    problem = planted(np.stack([symmetric(0.1)] * 2 + [symmetric(0.5)] * 4), n=600)
    truth = problem.data.paired.clean_labels
    assert np.mean(cleaner_labels(problem.data, "clean") == truth) == 1
    for source in ("best_raters", "aggregate"):
        found = cleaner_labels(problem.data, source)
        assert np.mean(found == truth) > 0.88
        lqm = LQM(gamma=1.0, auxiliary="all", hidden=(8,), cleaner=source)
        corrected = lqm.correct(problem.data, 0, blind_tools(problem.data))
        assert corrected.clean_labels_used == 0


def test_a_rater_absent_from_the_paired_subset_is_an_average_one():
    confusions = paired_confusions(
        np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), num_raters=3, num_classes=2
    )
    np.testing.assert_allclose(confusions.sum(axis=2), 1)
    pooled = np.array([[2, 0], [1, 3]]) / [[2], [4]]  # with one label per class for right
    np.testing.assert_allclose(confusions[2], pooled)


def test_features_are_standardised_and_what_tells_nothing_is_left_out():
    raters = [
        {"id": "a", "accuracy": 0.5, "experience": 10, "architecture": "mlp", "num_parameters": 5},
        {"id": "b", "accuracy": 0.7, "experience": 1000, "architecture": "vgg", "num_parameters": 5},
    ]
    np.testing.assert_allclose(describe(raters), [[-1, -1, 1, -1], [1, 1, -1, 1]])
    assert describe([{"id": "a"}, {"id": "b"}]).shape == (2, 0)


# ---------------------------------------------------------------------------------------------------------------------
# Bad input


def without_class(problem, k):
    paired = problem.data.paired
    kept = paired.clean_labels != k
    return dataclasses.replace(
        problem.data,
        paired=dataclasses.replace(paired, rows=paired.rows[kept], clean_labels=paired.clean_labels[kept]),
    )


@pytest.mark.parametrize("corrector", [LQM(), CleanSubset(), DawidSkene(gold=True)])
def test_a_paired_subset_that_is_empty_or_lacks_a_class(corrector, small_problem):
    with pytest.raises(LearningError, match="lacks b: enlarge paired_share"):
        corrector.correct(without_class(small_problem, 1), 0, no_tools())
    empty = planted(np.stack([symmetric(0.2)] * 2), n=60, paired_share=0.0)
    with pytest.raises(LearningError, match="is empty"):
        corrector.correct(empty.data, 0, no_tools())


@pytest.mark.parametrize("corrector", [Majority(), DawidSkene(), LQM(cleaner="aggregate"), LQM(cleaner="best_raters")])
def test_correctors_that_need_several_raters(corrector):
    problem = planted(symmetric(0.2)[None], n=120)
    with pytest.raises(LearningError, match="one label per example"):
        corrector.correct(problem.data, 0, no_tools())


def test_features_that_are_no_numbers_are_named(small_problem):
    raters = ({**small_problem.data.raters[0], "accuracy": float("nan")}, *small_problem.data.raters[1:])
    data = dataclasses.replace(small_problem.data, raters=raters)
    with pytest.raises(LearningError, match="feature accuracy is not a finite number for the raters 00"):
        LQM(gamma=1.0).correct(data, 0, blind_tools(data))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gamma": 1.5}, r"gamma is 1.5; it has to be in \[0, 1\]"),
        ({"gamma": -0.1}, "gamma is -0.1"),
        ({"auxiliary": "none"}, "auxiliary is 'none'; it has to be one of better, all, paired"),
        ({"cleaner": "x"}, "one of clean, best_raters, aggregate"),
        ({"hidden": ()}, "hidden is"),
    ],
)
def test_settings_of_lqm_that_cannot_be(settings, message):
    with pytest.raises(LearningError, match=message):
        LQM(**settings)


def test_the_labels_as_they_are(small_problem):
    found = NoCorrector().correct(small_problem.data, 0, no_tools())
    np.testing.assert_array_equal(found.labels, small_problem.data.train.noisy_label)
    assert found.clean_labels_used == 0
