"""Pictures as numbers: graphs, curves and plots are laid out here and drawn as SVG by the templates; pure functions."""
