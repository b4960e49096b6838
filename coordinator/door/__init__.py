"""The front door: Caddy with one public port and one certificate, before the registry, the SuperLink and the page.

`settings` is what an operator asked for, `certificates` where the certificate comes from, `config` what Caddy is given,
`process` starts and watches it, `proxies` prints the same for an operator's own proxy.
"""
