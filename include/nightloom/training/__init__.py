"""Training: from token ids to weights, the same bytes from the same blueprint."""
