"""Measuring label noise, and making it."""
