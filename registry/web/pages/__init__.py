"""The pages: each a function from the registry and what was asked to a `Page`."""
