"""The command line `webhooks`. A module here adds its commands by `from receiver.cli import app` and `@app.command()`.

Every module of this package is imported for each command: keep what is heavy (prefect, sqlmodel, uvicorn) inside the
function that needs it.
"""

from importlib import import_module
from pkgutil import iter_modules

import typer

app = typer.Typer(
    name="webhooks",
    help="Webhooks for Prefect: verified, stored before they are acknowledged, each one a deployment run.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_show_locals=False,  # a traceback must not show secrets that happen to be in a variable
)


@app.callback()
def webhooks() -> None:
    """Webhooks for Prefect: verified, stored before they are acknowledged, each one a deployment run."""


for _module in iter_modules(__path__):
    if not _module.name.startswith("_"):
        import_module(f"{__name__}.{_module.name}")
