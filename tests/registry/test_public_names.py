"""Names of the public interface: a class that `registry.open` gives, takes or answers with has a name of its own."""

import ast
import inspect
import pkgutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel

import registry.records
import registry.services
from registry.services.registry import METHODS, SERVICES, Registry
from tests.docs.pages import ROOT

PRODUCT = ("ratatouille", "coordinator", "contributor_client", "registry")


def defined() -> Mapping[str, Sequence[str]]:
    """The modules that define a class of each name, nested classes too."""
    found: dict[str, list[str]] = defaultdict(list)
    for package in PRODUCT:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    found[node.name].append(str(path.relative_to(ROOT)))
    return found


def of_package(package: Any) -> Iterator[type]:
    """The classes that the modules of a package define."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        for value in vars(import_module(module.name)).values():
            if inspect.isclass(value) and value.__module__ == module.name:
                yield value


def named_in(hint: Any) -> Iterator[type]:
    """Our own classes in an annotation, through lists, unions and fields of records."""
    waiting, seen = [hint], set[type]()
    while waiting:
        one = waiting.pop()
        waiting += get_args(one)
        if inspect.isclass(one) and one.__module__.partition(".")[0] in PRODUCT and one not in seen:
            seen.add(one)
            yield one
            if issubclass(one, BaseModel):
                waiting += [field.annotation for field in one.model_fields.values()]


def public() -> set[str]:
    """Names of services, of records, and of what the methods of services take and return."""
    found: set[type] = {Registry, *SERVICES.values(), *of_package(registry.records), *of_package(registry.services)}
    for one in METHODS.values():
        if not one.declaration.local:
            for hint in get_type_hints(one.function).values():
                found |= set(named_in(hint))
    return {one.__name__ for one in found if not one.__name__.startswith("_")}


def test_a_class_of_the_public_interface_has_a_name_of_its_own() -> None:
    places = defined()
    twice = {name: where for name in sorted(public()) if len(where := places[name]) > 1}
    assert twice == {}


def test_the_public_interface_reaches_from_the_services_to_what_they_carry() -> None:
    assert {"Registry", "Versions", "Entry", "Version", "Receipt", "Finding", "Sealed"} <= public()
