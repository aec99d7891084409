"""The compiled training loop and what it consists of."""
