"""The same on many workers: pools and labelling as Apache Beam pipelines."""
