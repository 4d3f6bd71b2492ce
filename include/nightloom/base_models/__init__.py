"""Base models: fetched, checked, frozen and loaded; and the starter, which is made where there is no hub."""
