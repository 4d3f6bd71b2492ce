"""The wire formats that stages meet through: one manifest a kind of thing, and the frames they name."""
