"""A page to look at a dataset with: its images, and what each rater says of them."""
