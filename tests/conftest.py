"""Settings of every test, by environment so that they reach subprocesses and cost no import."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no start-up chatter
os.environ.setdefault("JAX_PLATFORMS", "cpu")  # results are compared on the CPU; name another device to try it
# Arrays of unequal rank must say how they meet. (Strict dtypes are out of reach: optax's schedules mix int and float.)
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
