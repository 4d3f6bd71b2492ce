"""The example recipe's ticket system: a seeded grammar that no stage knows of."""
