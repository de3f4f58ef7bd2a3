"""From FreqAI's frame of a training period to a trained model, in each way a run may ask for."""
