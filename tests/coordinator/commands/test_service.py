"""What `coordinator up` tells contributors to type reaches this coordinator."""

from coordinator.commands.service import join_command
from ratatouille.home import DEFAULT_PORT


def test_the_address_is_named_where_it_is_not_the_usual_one() -> None:
    usual, other = f"grpc://127.0.0.1:{DEFAULT_PORT}", "grpc://127.0.0.1:38417"
    assert join_command(usual) == "ratatouille node join node.toml"
    assert join_command(other) == "ratatouille node join --remote grpc://127.0.0.1:38417 node.toml"
