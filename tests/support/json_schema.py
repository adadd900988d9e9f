"""Checks answers against their schemas: NAME.schema.json and NAME.answer.json in DIR.

As it is, and with keys refused that a schema does not name: a later version may add some,
but each of this version is to be described.
"""

import copy
import json
import pathlib
import sys

from jsonschema import Draft202012Validator


def strict(schema, shared):
    """The same, with unknown keys refused where a definition is used as a whole."""
    schema = copy.deepcopy(schema)
    definitions = schema.get("$defs", {})
    for name, definition in [("", schema), *definitions.items()]:
        if name not in shared and ("properties" in definition or "oneOf" in definition):
            definition["unevaluatedProperties"] = False
    return schema


def flattened(node, found):
    """The definitions that are only a part of another object."""
    if isinstance(node, dict):
        if "properties" in node and "$ref" in node:
            found.add(node["$ref"].rsplit("/", 1)[1])
        for part in node.get("allOf", []):
            if "$ref" in part:
                found.add(part["$ref"].rsplit("/", 1)[1])
        # A variant of a tagged enum.
        if node.get("type") == "object" and "$ref" in node:
            found.add(node["$ref"].rsplit("/", 1)[1])
        for value in node.values():
            flattened(value, found)
    elif isinstance(node, list):
        for value in node:
            flattened(value, found)
    return found


failed = False
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.schema.json")):
    schema = json.loads(path.read_text())
    Draft202012Validator.check_schema(schema)
    answer = path.with_name(path.name.replace(".schema.", ".answer."))
    if not answer.exists():
        print(f"{path.name}: no answer")
        failed = True
        continue
    value = json.loads(answer.read_text())
    checker = Draft202012Validator.FORMAT_CHECKER
    for one in (schema, strict(schema, flattened(schema, set()))):
        for error in Draft202012Validator(one, format_checker=checker).iter_errors(value):
            print(f"{path.name}: {error.json_path}: {error.message[:300]}")
            failed = True
sys.exit(failed)
