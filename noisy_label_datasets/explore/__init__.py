"""A page to look at a dataset with: its images, and the labels of its raters."""
