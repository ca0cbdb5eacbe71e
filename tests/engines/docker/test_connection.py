"""A Docker that does not answer: what is said, and that nothing is left behind."""

from __future__ import annotations

import gc
import socket
import warnings
from pathlib import Path

import pytest

from llm_studio.engines.base import EngineError
from llm_studio.engines.docker.connection import Connection


@pytest.mark.parametrize(("there", "told"), [(False, "not running"), (True, "has stopped")])
def test_a_docker_that_is_not_there_leaves_no_socket_open(
    tmp_path: Path, there: bool, told: str
) -> None:
    path = tmp_path / "docker.sock"
    if there:
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(path))
    connection = Connection({"DOCKER_HOST": f"unix://{path}", "HOME": str(tmp_path)})
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always", ResourceWarning)
        with pytest.raises(EngineError) as failure:
            connection.do(lambda client: client.version())
        connection.close()
        gc.collect()
    assert told in failure.value.what
    assert [str(each.message) for each in left] == []
