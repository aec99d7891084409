"""Human labels, and how near ours come to them."""
