"""Base models: fetch, check, freeze and load them; and the starter, a base model that needs no hub."""
