"""What maintainers run when labels or arrays that are shipped have changed; in a clone of the repository."""
