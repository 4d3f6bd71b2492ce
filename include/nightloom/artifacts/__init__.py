"""The wire formats that stages exchange: one manifest class per kind, and the frames they name."""
