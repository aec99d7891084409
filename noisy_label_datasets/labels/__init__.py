"""Where noisy labels come from: the raters' predictions, and every other source of labels."""
