"""The history as web pages: read-only, made on the server, for browsers, screen readers, phones and scripts.

A page is a function from the registry and the address to a view, a frozen record; the same view is
answered as HTML, by a template, or as JSON. Pages never see the database, so they work over `grpc://` too.
"""
