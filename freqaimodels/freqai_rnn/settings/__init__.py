"""What a user sets, read and checked: FreqAI's keys, the model's settings, a strategy's."""
