"""Trials: a training as a job, with its lock, attempts, checkpoints, heartbeat, budget and rank."""
