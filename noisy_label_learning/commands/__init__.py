"""What `python -m noisy_label_learning` does: `learn`, `tune`, `benchmark`, `clean`, `study`, `report`."""
