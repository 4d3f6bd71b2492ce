"""Statistics: intervals, paired comparisons and what they show, as values."""
