"""The process of a registry: gRPC in front of a folder, and the web page beside it.

`python -m registry.server --folder FOLDER` starts it; `process` runs it, `page` opens the web page.
"""
