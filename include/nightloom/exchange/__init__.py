"""Exchange: export and import of models, with their card and their lineage."""
