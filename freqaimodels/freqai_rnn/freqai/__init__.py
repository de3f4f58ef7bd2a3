"""The model as FreqAI runs it: its hooks, its live loop, and what they would start with."""
