"""What becomes of one domain: its energy from flat to closed, and the laws that tell whether and how fast it buds."""
