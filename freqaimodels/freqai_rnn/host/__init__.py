"""FreqAI's own classes with what they lack, and its errors."""
