"""Trains raters and has them label."""
