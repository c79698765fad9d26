"""Pure leaves, each named for its thing; they import nothing else of ours."""
