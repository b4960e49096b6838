"""Pages for people, and the scripts that keep the generated ones true: `python -m docs` writes them all."""
