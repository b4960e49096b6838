"""The pages: each a function from the registry and a query to a `Page`."""
