"""Statistics: intervals, paired comparisons and their findings."""
