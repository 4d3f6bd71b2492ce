"""Reports: what a night came to and why, as facts and as one page that people read in the morning."""
