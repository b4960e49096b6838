from tests.ratatouille.cli.call import home as home
