"""The `ratatouille` command for `python -m ratatouille`, where scripts are not on the PATH."""

from ratatouille.cli.main import main

if __name__ == "__main__":
    main()
