"""What is sound and yet hardly meant, and what only shows when rules and targets are seen together."""
