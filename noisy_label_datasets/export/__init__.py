"""A built dataset as files for Hugging Face `datasets`, or with Croissant metadata."""
