"""Pages that scripts write are as the scripts would write them now; `python -m docs` mends a failure."""

import re
from fnmatch import fnmatch

from docs import calls, cli, files, privacy, recipes, rooms, schema
from ratatouille.cli.table import COMMANDS
from ratatouille.exchange.assignment import Augmentation
from ratatouille.exchange.leaving import MEANINGS, name_of
from ratatouille.recipes.protocol import Protocol
from registry.transport.wire import CALLS
from tests.docs.pages import ROOT, text_of

AGAIN = "write it anew with `python -m docs`"


def test_the_readme_s_table_of_recipes_is_fresh() -> None:
    assert text_of(recipes.PAGE) == recipes.page(), AGAIN


def test_the_table_of_what_leaves_is_fresh_and_has_every_field_of_every_record() -> None:
    assert text_of(privacy.PAGE) == privacy.page(), AGAIN
    for kind, fields in MEANINGS.items():
        assert set(kind.model_fields) == set(fields), kind
        for field in kind.model_fields:
            assert f"| {name_of(kind)} | `{field}` | " in privacy.table()


def test_the_table_of_rooms_is_fresh() -> None:
    assert text_of(rooms.PAGE) == rooms.page(), AGAIN


def test_every_top_level_folder_and_every_package_in_one_is_in_the_table_of_rooms() -> None:
    ignored = [".*", *text_of(ROOT / ".gitignore").replace("/", "").split()]
    tops = [path.name for path in ROOT.iterdir() if path.is_dir()]
    for folder in (name for name in tops if not any(fnmatch(name, pattern) for pattern in ignored)):
        assert f"| **`{folder}/`** |" in text_of(rooms.PAGE)
        for package in (ROOT / folder).glob("*/__init__.py"):
            assert f"| `{folder}/{package.parent.name}/` |" in text_of(rooms.PAGE)


def test_the_page_of_commands_is_fresh() -> None:
    assert text_of(cli.PAGE) == cli.page(), AGAIN


def test_every_command_has_its_help_and_its_example_on_the_page() -> None:
    page = text_of(cli.PAGE)
    for row in COMMANDS:
        _, heading, rest = page.partition(f"### ratatouille {' '.join(row.path)}\n")
        assert heading, row.path
        assert f"Example: {row.example}" in rest.partition("### ")[0]


def test_the_page_of_calls_is_fresh_and_has_every_method_with_its_role() -> None:
    page = text_of(calls.PAGE)
    assert page == calls.page(), AGAIN
    for call in CALLS.values():
        assert f"`{call.path}`, {call.method.declaration.role}\n" in page


def test_the_page_of_settings_files_is_fresh() -> None:
    assert text_of(files.PAGE) == files.page(), AGAIN


def test_every_key_of_every_file_has_a_meaning() -> None:
    for _, tables in files.FILES.values():
        for table in tables:
            for key in table.record.model_fields:
                assert len(files.meaning(table, key)) > 10, (table.name, key)


def test_no_word_is_for_a_key_that_is_gone() -> None:
    tables = {table.name: table.record for _, tables in files.FILES.values() for table in tables}
    tables |= {"protocol": Protocol, "augmentation": Augmentation}
    for word in files.WORDS:
        table, _, key = word.partition(".")
        assert key in tables[table].model_fields, word


def test_the_page_of_the_schema_is_fresh() -> None:
    assert text_of(schema.PAGE) == schema.page(), AGAIN


def test_every_table_says_what_it_is_for_and_every_reference_is_an_edge() -> None:
    page = schema.page()
    for table in schema.tables():
        assert len(schema.about(table)) > 10, table.name
        assert f"| `{table.name}` | {schema.about(table)} |" in page
        for key in table.foreign_keys:
            (edge,) = re.findall(rf"^    {key.column.table.name} .*--.* {table.name} : {key.parent.name}$", page, re.M)
            assert edge
    assert page.count("--o") == sum(len(table.foreign_keys) for table in schema.tables())
