"""Did the model predict anything? Report and comparison, from the files that FreqAI leaves."""
