"""Training: base models, trials, and the trainers that make adapters."""
