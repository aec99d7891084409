"""What records say: comparisons, statements of the paper, tables and figures."""
