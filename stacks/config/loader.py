"""Read location files: all problems of all files at once, in the operator's words."""

from __future__ import annotations

import copy
import difflib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from stacks.config.neighbours import problems_between
from stacks.config.rules import RULES
from stacks.config.schema import Location
from stacks.config.unsupported import instead_of

LOCATIONS = Path(__file__).parents[1] / "locations"
OVERRIDE = ".override"
PATTERNS = ("example", "minimal")
"""Files to copy: one with every key, and one with those that a location cannot be without."""


class LocationError(Exception):
    """Location files that cannot be used; `problems` has one line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = [_printable(problem) for problem in problems]
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        super().__init__("\n".join([f"{count} in the location files:", *(f"  {problem}" for problem in self.problems)]))


def _printable(text: str) -> str:
    """What a terminal would obey, or not show, as an escape sequence: keys and names come from the file as they stand there."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def location_names(folder: Path = LOCATIONS) -> list[str]:
    """The locations that have a file in *folder*; PATTERNS and overrides are none."""
    return [path.stem for path in sorted(folder.glob("*.toml")) if path.stem not in PATTERNS and not path.stem.endswith(OVERRIDE)]


def load_locations(folder: Path = LOCATIONS) -> dict[str, Location]:
    """Every location of *folder* by name.

    Raises LocationError with the problems of all files together.
    """
    locations: dict[str, Location] = {}
    problems: list[str] = []
    for name in location_names(folder):
        try:
            locations[name] = load_location(folder / f"{name}.toml")
        except LocationError as error:
            problems += error.problems
    problems += problems_between(locations)
    if not locations and not problems:
        problems = [f"{folder}: no location file; copy minimal.toml to <name>.toml"]
    if problems:
        raise LocationError(problems)
    return locations


def load_location(path: Path) -> Location:
    """The location described by *path*, with `<name>.override.toml` beside it merged over it.

    Tables are merged key by key; any other value, `[[servers]]` included, replaces the file's.
    Raises LocationError with every problem of the file.
    """
    override = path.with_name(f"{path.stem}{OVERRIDE}.toml")
    data = _read(path)
    if not data:
        raise LocationError([f"{path.name}: says nothing; copy minimal.toml over it, and put your own addresses in"])
    where = path.name
    if override.exists():
        data = _merge(data, _read(override))
        where = f"{path.name} with {override.name}"
    if "name" in data:
        raise LocationError([f"{where}: name: unknown key; a location is named by its file, {path.stem!r}"])
    data["name"] = path.stem
    return parse_location(data, where)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin a file with a mark
    except tomllib.TOMLDecodeError as error:
        raise LocationError([f"{path.name}: not valid TOML: {error}"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise LocationError([f"{path}: cannot be read: {error}"]) from None


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both_tables = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merge(cast(dict[str, Any], below), cast(dict[str, Any], value)) if both_tables else value
    return merged


def parse_location(data: dict[str, Any], where: str) -> Location:
    """The location that *data*, read from the file *where*, describes. Raises LocationError with every problem of it."""
    problems: list[str] = []
    broken: set[str] = set()
    try:
        location = Location.model_validate(data)
    except ValidationError as error:
        # A default that follows from another section waits for a sound file.
        details = [detail for detail in error.errors(include_url=False) if detail["type"] != "default_factory_not_called"]
        problems = [_describe(detail, data) for detail in details]
        unknown = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
        broken = {str(detail["loc"][0]) for detail in details if detail["loc"] not in unknown}
        location = _sound_part(_without(data, unknown), broken)
    for rule in RULES:
        if not rule.sections & broken:
            problems += rule.check(location)
    if problems:
        raise LocationError([f"{where}: {problem}" for problem in problems])
    return location


def _without(data: dict[str, Any], unknown: list[tuple[int | str, ...]]) -> dict[str, Any]:
    """*data* less the keys at *unknown*: a misspelt key does not hide what else is wrong with its section."""
    pruned = copy.deepcopy(data)
    for loc in unknown:
        table: Any = pruned
        for part in loc[:-1]:
            table = table[part]
        del table[loc[-1]]
    return pruned


def _sound_part(data: dict[str, Any], broken: set[str]) -> Location:
    """The sections that parse by themselves; rules never look at the others."""
    types = get_type_hints(Location, include_extras=True)
    sound = Location.model_fields.keys() & data.keys() - broken
    return Location.model_construct(**{key: TypeAdapter(types[key]).validate_python(data[key]) for key in sound})


def _describe(detail: ErrorDetails, data: dict[str, Any]) -> str:
    path = _path(detail["loc"], data)
    kind, value = detail["type"], detail["input"]
    if kind == "missing":
        return f"{path}: missing; example.toml explains it"
    if kind == "extra_forbidden" and (instead := instead_of(str(detail["loc"][-1]))):
        return f"{path}: {instead}"
    if kind == "extra_forbidden":
        return f"{path}: unknown key{_did_you_mean(detail['loc'])}; example.toml lists every key"
    if kind == "value_error":
        return f"{path}: {detail['msg'].removeprefix('Value error, ')}"
    message = detail["msg"].replace("Input should", "should")
    return f"{path}: {message}, got {value!r}"


def _path(loc: tuple[int | str, ...], data: dict[str, Any]) -> str:
    """`servers.s2.ip` rather than `servers.1.ip` where the server has a name."""
    parts = [str(part + 1) if isinstance(part, int) else part for part in loc]
    if len(loc) > 1 and isinstance(loc[1], int):
        entry = data[parts[0]][loc[1]]
        parts[1] = str(cast(dict[str, Any], entry).get("name", parts[1])) if isinstance(entry, dict) else parts[1]
    return ".".join(parts)


def _did_you_mean(loc: tuple[int | str, ...]) -> str:
    close = difflib.get_close_matches(str(loc[-1]), _keys(Location, loc[:-1]), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> Iterator[str]:
    """The keys that the table at *loc* knows."""
    for part in loc:
        if isinstance(part, str):
            model = next(iter(sections_in(model.model_fields[part].annotation)))
    yield from model.model_fields


def sections_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections that a field of this type holds."""
    arguments = get_args(annotation)
    if not arguments and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in arguments:
        yield from sections_in(argument)
