"""The folder of state, as blocks find it."""

from pathlib import Path

import pytest

from blocks.errors import NotConfigured
from blocks.home import find_home
from receiver.settings import find_home as find_home_of_the_receiver


def test_the_environment_names_the_folder(tmp_path: Path):
    (tmp_path / ".webhooks").mkdir()

    assert find_home({"WEBHOOKS_HOME": "/srv/webhooks"}, tmp_path) == Path("/srv/webhooks")


def test_without_it_the_nearest_folder_upward_is_taken_as_the_receiver_takes_it(tmp_path: Path):
    (tmp_path / ".webhooks").mkdir()
    deep = tmp_path / "project" / "flows"
    deep.mkdir(parents=True)

    assert find_home({}, deep) == tmp_path / ".webhooks" == find_home_of_the_receiver(deep)


def test_no_folder_is_made_where_a_run_happens_to_execute(tmp_path: Path):
    with pytest.raises(NotConfigured, match="Set WEBHOOKS_HOME for the worker"):
        find_home({}, tmp_path)

    assert not list(tmp_path.iterdir())
