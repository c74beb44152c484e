"""Many runs: the members of a sweep, their folder, and who runs them."""
