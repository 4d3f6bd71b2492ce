"""Exchange: models that come in and go out, with their card and their lineage."""
