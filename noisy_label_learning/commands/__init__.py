"""What `python -m noisy_label_learning` does: `learn`, `benchmark`, `clean`, `study`, `report`."""
