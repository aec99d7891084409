"""Runs: their configuration, training with the engine's loop, and records."""
