"""Whether a model predicted anything, from the files that FreqAI leaves."""
