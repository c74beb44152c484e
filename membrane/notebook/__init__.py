"""What a notebook sees: configurations, runs, predictions and archives as Python objects."""
