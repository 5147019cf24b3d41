"""`make bench`: ratios, measured side by side in one run. Never a test: nothing here asserts a time."""
