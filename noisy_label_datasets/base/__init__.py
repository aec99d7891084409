"""Clean data: base datasets, the five splits, arrays."""
