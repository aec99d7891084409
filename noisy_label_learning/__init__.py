"""Learning with noisy labels: the algorithms and label correctors of the paper's Sections 4 and 5, and a benchmark.

    problem = Problem.load("learning_arrays/digits_noisy/high")
    record = run(RunConfig(algorithm=CoTeaching(), corrector=NoCorrector(), network=Network("mlp"), seed=0), problem)
    record.selections["selected_on_noisy_validation"].test_accuracy

Needs JAX and not TensorFlow, as `rater_training`, on whose loop it stands.
"""
