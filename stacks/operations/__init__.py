"""What an operator does to a running location besides deploying it, over SSH from their own machine."""
