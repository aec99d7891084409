"""Published weights: networks that start from ImageNet."""
