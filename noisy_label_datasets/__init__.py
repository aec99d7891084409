"""TensorFlow Datasets whose noisy labels come from simulated raters."""
