"""What is checked before anything runs, and why nothing was traded after it did."""
