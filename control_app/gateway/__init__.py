"""What the gateway tells, and is told: the port, and how its prices are kept equal to ours."""
