"""Promotion: parity, gates and the verdict; the champion ref moved on it, and moved back."""
