"""Rater pools: JAX and Flax models that label what they were not trained on.

Runs where JAX is installed and TensorFlow and TFDS are not. `python -m rater_training --help` says what it does.
"""
