"""What a run gives: the table of events, sizes and densities of vesicles, and how well they are known."""
