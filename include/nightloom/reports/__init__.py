"""Reports: how a night ended and why, as JSON and as one page that people read in the morning."""
