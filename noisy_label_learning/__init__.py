"""Learning with noisy labels: the algorithms and label correctors of the paper's Sections 4 and 5, and a benchmark.

    problem = Problem.load("learning/digits_noisy/2.0.0/arrays", "learning/digits_noisy/2.0.0/labels/high")
    record = Session(problem, "runs").run(RunConfig(CoTeaching(), NoCorrector(), Network("mlp"), seed=0))
    record.selected().test_accuracy

Needs JAX and not TensorFlow, as `rater_training`, on whose loop it stands.
"""
