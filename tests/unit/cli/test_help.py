"""Every command's help shows how it is called."""

import re
from typing import Any, cast

import pytest
import typer

from receiver.cli import app

NO_DATA = {"up", "serve", "new"}
"""They run until they are stopped, or write files: nothing to print as JSON."""


def commands() -> dict[str, Any]:
    """Each command by its words, `keys list` too."""
    found: dict[str, Any] = {}

    def walk(group: Any, words: tuple[str, ...]) -> None:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                walk(command, (*words, name))
            else:
                found[" ".join((*words, name))] = command

    walk(cast("Any", typer.main.get_command(app)), ())
    return found


@pytest.mark.parametrize("words", commands())
def test_help_shows_an_example_and_data_can_be_had_as_json(words: str):
    command = commands()[words]
    pattern = rf"^Examples?: webhooks {words}( |$)"
    assert re.search(pattern, command.help, re.MULTILINE), (
        f"the docstring of `{words}` has no line `Example: webhooks ...`"
    )
    options = {option for parameter in command.params for option in parameter.opts}
    assert words in NO_DATA or "--json" in options, f"`webhooks {words}` has no --json"
