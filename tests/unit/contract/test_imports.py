import json
import subprocess
import sys

HEAVY = (
    "fastapi",
    "starlette",
    "uvicorn",
    "sqlalchemy",
    "sqlmodel",
    "prefect",
    "httpx",
    "cel",
    "jsonschema_rs",
    "rich",
)


def test_authors_of_flows_import_nothing_heavy():
    code = (
        "import json, sys\nfrom receiver import webhook, Context, Reply\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_the_definition_module_which_lists_what_a_receiver_needs_is_as_light():
    code = f"import sys, receiver.contract.definition\nassert not {set(HEAVY)!r} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
