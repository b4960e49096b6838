"""Several hosts on one machine: network namespaces, bad lines, a proxy, and a federation over them. Needs root."""
