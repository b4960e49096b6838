from tests.ratatouille.cli.call import home as home
from tests.registry.conftest import make_service as make_service
