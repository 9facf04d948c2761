"""The documents say what the code does: tables compared, examples run, links followed."""

from __future__ import annotations

import doctest
import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
import typer
from fastapi import FastAPI
from pydantic_settings import BaseSettings

import blocks as blocks_package
import flows.nodes
from blocks.bootstrap import BLOCK_TYPES
from flows.nodes.query_records import OPERATORS
from receiver import Context, settings
from receiver.admin.api import admin_router
from receiver.admin.openapi import openapi_document
from receiver.alerts.trouble import Rule
from receiver.checks.finding import Code, Level
from receiver.cli import app as cli
from receiver.cli.schemes import in_order, markdown_table
from receiver.contract.errors import DefinitionError
from receiver.contract.model import WebhookDefinition
from receiver.contract.parse import FIELDS, parse_definition
from receiver.contract.reasons import Reason
from receiver.contract.template_filters import FILTERS
from receiver.deliveries.lifecycle import Status, may_move
from receiver.ingress.answers import refused
from receiver.ingress.filter import compile_filter
from receiver.ingress.parse import parse_body
from receiver.ingress.verify import SCHEMES
from receiver.ingress.verify.hmac_options import HmacOptions
from receiver.ingress.verify.options import SchemeOptions
from receiver.ingress.webhook import compile_webhook
from tests.support.markdown import DOCUMENTS, ROOT, Block, anchors, blocks, links, names, table, tables

WEBHOOKS, NODES, OPERATIONS = (ROOT / "docs" / name for name in ("webhooks.md", "nodes.md", "operations.md"))
NOT_REFUSED = {
    *(Reason.FILTERED, Reason.DUPLICATE, Reason.REPLAYED, Reason.PAUSED),
    *(Reason.DEPLOYMENT_MISSING, Reason.HANDOVER_REFUSED, Reason.RUN_MISSING, Reason.BAD_REPLY, Reason.DISCARDED),
    Reason.EXPIRED,
}
"""Reasons of requests that were accepted: no refusal answers them."""


def same(documented: Iterable[str], code: Iterable[str], what: str) -> None:
    listed, known = list(documented), set(code)
    assert set(listed) == known, (
        f"{what}: missing {sorted(known - set(listed))}, not in the code {sorted(set(listed) - known)}"
    )
    assert len(listed) == len(known), f"{what}: a row twice among {listed}"


def first_names(rows: Iterable[list[str]]) -> list[str]:
    return [names(row[0])[0] for row in rows]


# tables


def settings_models() -> list[type[BaseSettings]]:
    found = [value for value in vars(settings).values() if isinstance(value, type) and issubclass(value, BaseSettings)]
    return [model for model in found if model not in {BaseSettings, settings.Settings}]


def test_every_setting_is_listed_with_its_default_and_description():
    fields = {
        f"WEBHOOKS_{name.upper()}": field for model in settings_models() for name, field in model.model_fields.items()
    }
    rows = {names(row[0])[0]: row for row in table(OPERATIONS, "Setting", "Default", "Meaning")}
    same(rows, fields, "settings")
    for name, field in fields.items():
        _, default, meaning = rows[name]
        assert meaning == field.description, f"{name} is described otherwise in settings.py: {field.description}"
        if field.default_factory is None:
            plain = "none" if field.default in (None, ()) else f"`{field.default}`"
            assert default == plain, f"the default of {name} is {plain}"
        else:
            assert default not in {"", "none"}, f"{name} has a default"


def test_every_field_of_a_definition_is_listed_with_its_default():
    rows = {names(row[0])[0]: row for row in table(WEBHOOKS, "Field", "Meaning", "Default")}
    same(rows, set(FIELDS), "fields of a definition")
    for name, field in WebhookDefinition.model_fields.items():
        shown = field.alias or name
        if shown in rows and not field.is_required() and field.default is not None:
            plain = list(field.default) if isinstance(field.default, tuple) else field.default
            assert rows[shown][2] == f"`{json.dumps(plain)}`", f"the default of {shown} is {plain!r}"


def test_the_table_of_schemes_is_the_one_that_webhooks_schemes_prints():
    lines = markdown_table(in_order(SCHEMES.values()))
    listed = [line for line in WEBHOOKS.read_text().splitlines() if line in lines]
    missing = [line for line in lines if line not in listed]
    assert listed == lines, f"webhooks schemes --markdown prints other rows: {missing}"
    same(first_names(table(WEBHOOKS, "Scheme", "For whom")), SCHEMES, "schemes")


def test_every_option_of_a_scheme_is_described():
    candidates = {name for model in SchemeOptions.__subclasses__() for name in model.model_fields}
    for name, scheme in SCHEMES.items():
        same(scheme.options_taken(), {option for option in candidates if takes(name, option)}, f"options of {name}")
        assert all(does.endswith(".") for does in scheme.options_taken().values()), f"options of {name}"


def takes(scheme: str, option: str) -> bool:
    try:
        SCHEMES[scheme]({option: object()})
    except DefinitionError as error:
        return not re.search(r"no such option|takes no", str(error))
    raise AssertionError(f"{scheme} takes anything as {option}")


def test_schemes_that_do_not_hold_are_those_the_text_names():
    [line] = re.findall(r"^The general schemes \((.*)\)", WEBHOOKS.read_text(), re.MULTILINE)
    same(names(line), [name for name, scheme in SCHEMES.items() if not scheme.hold_invalid], "general schemes")


def test_every_option_of_hmac_is_described_as_in_the_code():
    rows = {names(row[0])[0]: row for row in table(WEBHOOKS, "Option", "Default", "Meaning")}
    same(rows, HmacOptions.model_fields, "options of hmac")
    for name, field in HmacOptions.model_fields.items():
        default = "required" if field.is_required() else f"`{json.dumps(field.default)}`"
        assert rows[name][1:] == [default, field.description], f"the option {name}"


def test_every_reason_is_listed_with_its_answer():
    rows = {names(row[0])[0]: row for row in table(WEBHOOKS, "Reason", "Answer")}
    same(rows, [str(reason) for reason in Reason], "reasons")
    for reason in set(Reason) - NOT_REFUSED:
        assert rows[reason][1] == str(refused(reason, "id").status), f"the answer of {reason}"


def test_every_status_is_listed_with_where_it_leads():
    rows = {names(row[0])[0]: row for row in table(OPERATIONS, "Status", "Meaning", "May become")}
    same(rows, [str(status) for status in Status], "statuses")
    for status in Status:
        allowed = {str(to) for to in Status if may_move(status, to)}
        same(names(rows[status][2]), allowed, f"what {status} may become")


def test_every_code_of_a_check_is_listed_with_its_level():
    rows = table(OPERATIONS, "Code", "Level", "Meaning")
    same(first_names(rows), [str(code) for code in Code], "codes of webhooks check")
    for row in rows:
        assert re.findall("[a-z]+", row[1])[0] in list(Level), f"the level of {row[0]}"


def test_every_warning_is_listed_with_what_to_do():
    rows = table(OPERATIONS, "Warning", "Is raised when", "What to do")
    same(first_names(rows), [str(rule) for rule in Rule], "warnings")
    told = next(row[1] for row in rows if names(row[0]) == ["sender_gives_up"])
    for scheme in SCHEMES.values():
        if (limit := scheme.switch_off) is not None:
            often = f"{limit.in_a_row // 2} of {limit.in_a_row}" if limit.in_a_row else "half of at least 20 requests"
            assert f"{scheme.about} {often}" in told, f"when {scheme.about} gives up"


def test_every_filter_of_templates_is_listed():
    rows = table(WEBHOOKS, "Filter", "Does")
    same([name.partition("(")[0] for name in first_names(rows)], FILTERS, "filters of templates")


def test_everything_a_context_has_is_listed():
    attributes = {name for name, value in vars(Context).items() if isinstance(value, property)}
    listed = first_names(table(WEBHOOKS, "Attribute", "What it is"))
    same(listed, (attributes | {"await raw()"}) - {"document", "by_reference"}, "the context's attributes")


def test_every_node_is_listed_and_has_an_example():
    files = {path.stem for path in Path(flows.nodes.__file__).parent.glob("[!_]*.py")}
    same(first_names(table(NODES, "Node", "Does", "Block")), files, "nodes")
    example = "\n".join(block.text for block in blocks(NODES, mark="node"))
    for name in files:
        assert re.search(rf"await {name}\(", example), f"nodes.md shows no call of {name}"
    same(first_names(table(NODES, "Operator")), OPERATORS, "operators of query_records")


def test_every_block_is_listed_with_its_fields_and_has_an_example():
    rows = {names(row[0])[0].removesuffix("/<name>"): row for row in table(NODES, "Block", "Class", "Fields")}
    same(rows, [kind.get_block_type_slug() for kind in BLOCK_TYPES], "blocks")
    same([names(row[1])[0] for row in rows.values()], blocks_package.__all__, "classes of blocks")
    example = "\n".join(block.text for block in blocks(NODES, mark="block"))
    for kind in BLOCK_TYPES:
        listed = names(rows[kind.get_block_type_slug()][2])
        own = [name for name in kind.model_fields if name in kind.__annotations__]
        same(listed, own, f"fields of {kind.__name__}")
        assert f"{kind.__name__}(" in example, f"nodes.md makes no {kind.__name__}"


def test_the_readme_names_every_node():
    rows = table(ROOT / "README.md", "For", "Nodes")
    files = {path.stem for path in Path(flows.nodes.__file__).parent.glob("[!_]*.py")}
    same([name for _, listed in rows for name in names(listed)], files | {"approval"}, "nodes in the README")


def test_every_exception_of_nodes_is_listed():
    listed = [name for row in table(NODES, "Exception", "Meaning") for name in names(row[0])]
    same(listed, [name for name in flows.nodes.__all__ if name[0].isupper()], "exceptions of nodes")


# examples


def every(language: str) -> list[Any]:
    return [pytest.param(block, id=block.place) for path in DOCUMENTS for block in blocks(path, language)]


@pytest.mark.parametrize("block", every("python"))
def test_python_is_python(block: Block):
    if block.text.startswith(">>>"):
        assert doctest.DocTestParser().get_examples(block.text)
    else:
        block.compiled()


@pytest.mark.parametrize("block", [param for param in every("python") if param.values[0].mark == "run"])
def test_what_is_marked_runs(block: Block):
    module = ModuleType("example")
    exec(block.compiled(), vars(module))
    said: list[str] = []
    for found in doctest.DocTestFinder().find(module):
        doctest.DocTestRunner().run(found, out=said.append)
    assert not said, "".join(said)


@pytest.mark.parametrize(
    "path",
    [path for path in DOCUMENTS if any(block.text.startswith(">>>") for block in blocks(path, "python"))],
    ids=lambda path: path.name,
)
def test_sessions_give_what_they_show(path: Path):
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    namespace: dict[str, Any] = {}
    for block in blocks(path, "python"):
        if block.text.startswith(">>>"):
            found = doctest.DocTestParser().get_doctest(block.text, namespace, block.place, block.file, block.line)
            runner.run(found, out=said.append, clear_globs=False)
            namespace = found.globs
    assert not said, "".join(said)
    assert runner.summarize(verbose=False).attempted > 1


@pytest.mark.parametrize("block", every("json"))
def test_json_is_json_and_a_definition_can_be_served(block: Block):
    value = json.loads(block.text)
    if block.mark == "definition":
        compile_webhook(parse_definition(value, by="write"), revision=1, state="enabled")


def test_bodies_are_read_as_the_table_says():
    for types, body, data in table(WEBHOOKS, "Content-Type", "Body"):
        expected = json.loads(names(data)[0])
        for name in content_types(types):
            assert parse_body(name, names(body)[0].encode()).data == expected, f"{name}: {body}"


def content_types(cell: str) -> Iterator[str | None]:
    """`*+json` and `text/*` stand for a type of that form; "none" for no Content-Type."""
    for name in names(cell):
        yield {"*+json": "application/a+json", "*+xml": "application/a+xml", "text/*": "text/csv"}.get(name, name)
    if "none" in cell:
        yield None


def test_filters_decide_as_the_table_says():
    [(header, rows)] = [(header, rows) for header, rows in tables(WEBHOOKS) if header[0] == "Expression"]
    data, sent = names(header[1])
    name, _, value = sent.partition(": ")
    document = {"data": json.loads(data), "headers": {name.lower(): value}, "method": "POST"}
    for expression, result in rows:
        assert compile_filter(names(expression)[0]).matches(document) is (result == "true"), expression


# routes, commands, names


def test_every_route_is_listed_with_its_scope():
    app = FastAPI(openapi_url=None)
    app.include_router(admin_router(cast("Any", None)))
    code = {"GET /openapi.json": "read", "GET /docs": "read"}  # which the description does not describe
    for address, operations in openapi_document(app, "")["paths"].items():
        for method, operation in operations.items():
            code[f"{method.upper()} {address}"] = operation["x-required-scope"]
    rows = {names(row[0])[0]: row[1] for row in table(OPERATIONS, "Route", "Scope", "Does")}
    same(rows, code, "routes")
    assert rows == code


def test_every_route_has_an_example():
    shown = "\n".join(block.text for block in blocks(OPERATIONS, "console"))
    for route in first_names(table(OPERATIONS, "Route", "Scope")):
        method, path = route.split(" ")
        verb = "" if method == "GET" else f"-X {method} "
        pattern = re.sub(r"\\{\w+\\}", "[$\\\\w]+", re.escape(path))
        assert re.search(rf'curl {verb}"?\$URL{pattern}(["? )]|$)', shown, re.MULTILINE), f"no curl line for {route}"


def our_commands() -> dict[str, set[str]]:
    """Options of each command by its name, `keys list` too."""
    found: dict[str, Any] = dict(cast("Any", typer.main.get_command(cli)).commands)
    for name, group in list(found.items()):
        if inner := getattr(group, "commands", None):
            del found[name]
            found.update({f"{name} {each}": command for each, command in inner.items()})
    return {name: {option for param in command.params for option in param.opts} for name, command in found.items()}


def test_every_command_is_listed():
    code = our_commands()
    listed = [name.removeprefix("webhooks ") for name in first_names(table(OPERATIONS, "Command", "Does"))]
    same(listed, code, "commands")
    for command, (_, does) in zip(listed, table(OPERATIONS, "Command", "Does"), strict=True):
        unknown = {name for name in names(does) if name.startswith("--")} - code[command]
        assert not unknown, f"webhooks {command} has no {unknown}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_their_options_exist(path: Path):
    known = our_commands()
    for words, rest in re.findall(r"webhooks ((?:keys )?[a-z]+)\b([^`\n]*)", code_of(path)):
        assert words in known, f"{path.name}: there is no command webhooks {words}"
        used = set(re.findall(r"(?<![\w-])--[a-z-]+", rest.partition("|")[0]))
        assert used <= known[words] | {"--help"}, f"{path.name}: webhooks {words} has no {used - known[words]}"


def code_of(path: Path) -> str:
    """What stands in backticks or behind a prompt, a line each."""
    lines = [line for block in blocks(path, "console") for line in block.text.splitlines() if line.startswith("$ ")]
    text = re.sub(r"^ *```.*?^ *```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    return "\n".join([*(line.removeprefix("$ ") for line in lines), *re.findall(r"`([^`\n]+)`", text)])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_variable_that_is_named_is_read_somewhere(path: Path):
    source = "".join(file.read_text() for folder in ("receiver", "blocks") for file in (ROOT / folder).rglob("*.py"))
    fields = {f"WEBHOOKS_{name.upper()}" for model in settings_models() for name in model.model_fields}
    for name in set(re.findall(r"\b(?:WEBHOOKS|PREFECT)_[A-Z_]*[A-Z]\b", path.read_text())) - fields:
        assert f'"{name}"' in source or f"({name!r}" in source, f"{path.name}: nothing reads {name}"


# links and places


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path):
    for link in links(path):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            assert link.startswith("https://"), link
            continue
        file = (path.parent / target).resolve() if target else path
        assert file.is_file() and file.is_relative_to(ROOT), f"{path.name}: {link}"
        if anchor:
            assert anchor in anchors(file), f"{path.name}: {file.name} has no heading #{anchor}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_files_of_ours_that_are_named_exist(path: Path):
    for name in re.findall(r"`((?:tests|flows|receiver|blocks|docs)/[\w./-]+\.\w+)`", path.read_text()):
        assert (ROOT / name).is_file() or name == "flows/signup.py", f"{path.name}: {name}"


def test_no_file_names_a_registrys_address_or_a_folder_of_somebodys_machine():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    files = [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]
    assert len(files) > 100
    words = "py[p]i[.]|python[h]osted|npm[j]s|--(?:extra-)?index[-]url|--find[-]links"
    folders = "(?<![A-Za-z0-9_.$~}-])/(?:[r]oot|[w]ork|[U]sers|[o]pt)/[A-Za-z0-9_.]"
    forbidden = re.compile(f"{words}|{folders}|{re.escape(str(ROOT))}(?![A-Za-z0-9_])")
    for file in files:
        if found := forbidden.search(file.read_text(encoding="utf-8", errors="replace")):
            raise AssertionError(f"{file.relative_to(ROOT)} names {found[0]!r}")
