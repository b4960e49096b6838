"""Pictures of the web page for docs/web.md, from a real history: `python -m docs.screenshots FOLDER`."""
