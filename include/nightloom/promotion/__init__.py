"""Promotion: the champion ref moved on a verdict, and moved back."""
