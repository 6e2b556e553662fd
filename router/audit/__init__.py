"""The audit log as it stands in files: its records, its signed checkpoints, and how they are verified."""
