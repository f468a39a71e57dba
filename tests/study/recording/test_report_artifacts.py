"""A report goes to MLflow, and nowhere else, whatever the storage holds and MLflow answers."""

from __future__ import annotations

import json
import sqlite3
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from upath import UPath

from analysis.report.files import report_folder
from analysis.store.records import records_folder, write_record
from study.recording.database.connection import UnsafeJournalError, database_engine
from study.recording.database.runs import insert_runs
from study.recording.mlflow_connection import open_sink
from study.recording.report_artifacts import ALLOWED, RefusedAddressError, _repository, checked_address
from study.sync import main
from tests.study.recording.records import record, runs_of

HOSTS = ["mlflow.example", "mlflow.example:443", "MLFLOW.example", "another@mlflow.example"]


def journal_of(database: Path, other: str = "") -> bytes:
    """The journal of a transaction in which nothing was written, on another database as well if one is named."""
    magic, sector, page = bytes.fromhex("d9d505f920a163d7"), 512, 4096
    head = magic + struct.pack(">5I", 0, 0, database.stat().st_size // page, sector, page)
    name = other.encode()
    end = struct.pack(">I", (1 << 30) // page + 1) + name + struct.pack(">II", len(name), sum(name)) + magic
    return head.ljust(sector, b"\0") + end * bool(other)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A recorded study with a report."""
    write_record(records_folder(tmp_path / "results", "s"), record(["a"]))
    folder = Path(str(report_folder(tmp_path / "results", "s")))
    (folder / "figures").mkdir(parents=True)
    (folder / "report.html").write_text("report")
    (folder / "figures" / "dynamics-digits.svg").write_text("figure")
    return folder


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A file of the user's."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / ".bashrc").write_text("mine")
    return folder / ".bashrc"


def sync(tmp_path: Path) -> int:
    return main(["--name", "s", "--storage", str(tmp_path / "results")])


def artifacts(tmp_path: Path) -> Path:
    (run,) = runs_of(f"sqlite:///{tmp_path / 'results' / 'mlflow.db'}", "study")
    return Path(run.info.artifact_uri.removeprefix("file://")) / "report"


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def test_the_reports_own_files_are_logged_and_no_others(tmp_path: Path, report: Path, private: Path) -> None:
    (report / "y.txt").symlink_to(private)
    (report / "notes.txt").write_text("not the report's")
    (report / "report.md").symlink_to(private)
    (report / "figures" / "x.svg").symlink_to(private)
    for _ in range(2):
        assert sync(tmp_path) == 0
        assert files(artifacts(tmp_path)) == ["figures/dynamics-digits.svg", "report.html"]


def test_keys_of_a_bucket_cannot_name_files_of_this_machine(
    tmp_path: Path, private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = UPath("memory://strangers")
    write_record(records_folder(storage, "s"), record(["a"]))
    own = report_folder(storage, "s")
    own.mkdir(parents=True, exist_ok=True)
    (own / "report.html").write_bytes(b"report")
    for key in (f"/{private}", "/../../../evil", "/y.txt", f"/figures/{private}", "/figures/../../../evil.svg"):
        own.fs.store[f"/strangers/s/report{key}"] = own.fs.store["/strangers/s/report/report.html"]
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert main(["--name", "s", "--storage", "memory://strangers", "--tracking-uri", uri]) == 0
    assert private.read_text() == "mine"
    (run,) = runs_of(uri, "study")
    assert files(Path(run.info.artifact_uri)) == ["report/report.html"]


def test_links_among_mlflows_files_are_not_followed(tmp_path: Path, report: Path, private: Path) -> None:
    assert sync(tmp_path) == 0
    place = artifacts(tmp_path)
    (place / "report.html").unlink()
    (place / "report.html").symlink_to(private)
    assert sync(tmp_path) == 0
    assert (place / "report.html").read_text() == "report"
    place.rename(place.with_name("before"))
    place.symlink_to(private.parent)
    assert sync(tmp_path) == 2
    assert files(private.parent) == [".bashrc"]
    assert private.read_text() == "mine"


def test_mlflows_file_in_the_storage_cannot_name_a_folder_outside_the_study(
    tmp_path: Path, report: Path, private: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sync(tmp_path) == 0
    with sqlite3.connect(tmp_path / "results" / "mlflow.db") as database:
        database.execute("UPDATE runs SET artifact_uri = ?", (f"file://{private.parent}",))
    capsys.readouterr()
    assert sync(tmp_path) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "warning: the report is not in MLflow: MLflow's file in the storage keeps this study's files"
    )
    assert files(private.parent) == [".bashrc"]


def test_mlflows_file_in_the_storage_is_no_link(
    tmp_path: Path, report: Path, private: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results" / "mlflow.db").symlink_to(private)
    assert sync(tmp_path) == 2
    assert "mlflow.db is a link or no regular file: name the database" in capsys.readouterr().err
    assert private.read_text() == "mine"


def test_the_journal_of_mlflows_file_names_no_file_for_sqlite_to_delete(
    tmp_path: Path, report: Path, private: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sync(tmp_path) == 0
    journal = tmp_path / "results" / "mlflow.db-journal"
    journal.write_bytes(journal_of(tmp_path / "results" / "mlflow.db", str(private)))
    assert sync(tmp_path) == 2
    assert private.read_text() == "mine"
    assert "mlflow.db-journal names another file, which SQLite would delete" in capsys.readouterr().err


def test_a_journal_that_is_put_there_while_a_session_runs_names_no_file_either(tmp_path: Path, private: Path) -> None:
    file = tmp_path / "mlflow.db"
    with sqlite3.connect(file) as made:
        made.execute("CREATE TABLE a (b)")
    database = database_engine(f"sqlite:///{file}")
    assert database is not None
    assert insert_runs(database, "x", []) is None
    journal = file.with_name("mlflow.db-journal")
    journal.write_bytes(journal_of(file, str(private)))
    with pytest.raises(UnsafeJournalError, match=r"mlflow\.db-journal names another file, which SQLite would delete"):
        insert_runs(database, "x", [])
    assert private.read_text() == "mine"


def test_a_journal_that_a_kill_has_left_is_undone(tmp_path: Path, report: Path) -> None:
    assert sync(tmp_path) == 0
    journal = tmp_path / "results" / "mlflow.db-journal"
    journal.write_bytes(journal_of(tmp_path / "results" / "mlflow.db"))
    assert sync(tmp_path) == 0
    assert not journal.exists()


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("CREATE TRIGGER evil AFTER INSERT ON runs BEGIN DELETE FROM metrics; END", "trigger, 'evil'"),
        ("CREATE VIEW evil AS SELECT * FROM runs", "view, 'evil'"),
        ("CREATE VIRTUAL TABLE evil USING fts5(x)", "table, 'evil'"),
    ],
)
def test_mlflows_file_in_the_storage_has_no_statements_of_somebody_elses(
    tmp_path: Path, report: Path, statement: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sync(tmp_path) == 0
    with sqlite3.connect(tmp_path / "results" / "mlflow.db") as database:
        database.execute(statement)
    assert sync(tmp_path) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"mlflow.db has a {kind}, which MLflow does not make: move the file away" in line


@pytest.fixture
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A server that answers as MLflow's does, but names a folder of the client's for the files of a run."""
    run = {
        "info": {"run_id": "0" * 32, "experiment_id": "1", "status": "FINISHED", "artifact_uri": f"file://{tmp_path}"},
        "data": {"tags": [{"key": "level", "value": "study"}, {"key": "key", "value": "study"}]},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            experiment = {"experiment_id": "1", "name": "s", "lifecycle_stage": "active", "artifact_location": "x"}
            self._answer({"run": run} if "runs" in self.path else {"experiment": experiment})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer({"runs": [run], **request.param})

        def _answer(self, content: object) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("hostile", [{}], indirect=True)
def test_a_server_cannot_choose_a_folder_of_this_machine(tmp_path: Path, report: Path, hostile: str) -> None:
    sink = open_sink(hostile, "s")
    with pytest.raises(RefusedAddressError, match=r"names a folder of this machine for .* --serve-artifacts"):
        sink.log_report(UPath(report))
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("hostile", [{"next_page_token": "again"}], indirect=True)
def test_a_server_that_repeats_a_page_is_not_asked_for_ever(hostile: str) -> None:
    with pytest.raises(Exception, match="does not answer: it names a page of runs that it has given already"):
        open_sink(hostile, "s")


@pytest.mark.parametrize(
    "address",
    [
        *("file:///home/me", "/home/me", "./mlruns", "FILE:///x", "C:/x", "local:///x", "runs:/abc", ""),
        *("http://intranet/x", "mlflow-artifacts://elsewhere/x", "file+x:///y"),
        *("mlflow-artifacts://mlflow.example@elsewhere/x", "mlflow-artifacts://mlflow.example:80/x"),
        *("mlflow-artifacts://mlflow.example:x/", "mlflow-artifacts://:443/x", "mlflow-artifacts://[/x"),
    ],
)
def test_only_remote_kinds_of_address_are_taken_from_a_server(address: str) -> None:
    with pytest.raises(RefusedAddressError) as raised:
        checked_address(address, "https://mlflow.example", None)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("uri", ["https://mlflow.example", "https://me@MLflow.example:443/base"])
@pytest.mark.parametrize("address", ["mlflow-artifacts:/0/a", *(f"mlflow-artifacts://{h}/a" for h in HOSTS)])
def test_a_server_may_keep_the_files_itself(address: str, uri: str) -> None:
    assert checked_address(address, uri, None) is None


def test_the_server_itself_gets_files_as_the_user_that_its_address_names() -> None:
    repository = _repository("mlflow-artifacts://h:5000/0/a", "http://me:pass@h:5000")  # pragma: allowlist secret
    served = "http://me:pass@h:5000/api/2.0/mlflow-artifacts/artifacts/0/a"  # pragma: allowlist secret
    assert repository.artifact_uri == served


@pytest.mark.parametrize("uri", ["https://mlflow.example", "sqlite:////results/mlflow.db"])
def test_credentials_of_the_users_own_serve_only_where_the_user_says_so(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    within = Path("/results/s") if uri.startswith("sqlite") else None
    monkeypatch.delenv(ALLOWED, raising=False)
    for address in ("s3://bucket/a", "sftp://h/x", "ftp://h/x", "gs://b/x", "hdfs://h/x"):
        with pytest.raises(RefusedAddressError, match=rf"credentials of your own.* set {ALLOWED} to that address"):
            checked_address(address, uri, within)
    monkeypatch.setenv(ALLOWED, "s3://bucket/a/")
    for address in ("s3://bucket/a", "s3://bucket/a/b/c"):
        assert checked_address(address, uri, within) is None
    for address in ("s3://bucket/ab", "s3://bucket", "s3://bucket/a/../b", "s3://bucket/a/%2e%2e/b", "gs://bucket/a"):
        with pytest.raises(RefusedAddressError):
            checked_address(address, uri, within)
    assert checked_address("s3://elsewhere/a", "postgresql://named/by-the-user", None) is None


def test_a_database_says_where_its_files_are() -> None:
    assert checked_address("file:///data/a%20b", "sqlite:///x.db", None) == Path("/data/a b")
    assert checked_address("/data/a%20b", "postgresql://x", None) == Path("/data/a%20b")
    with pytest.raises(RefusedAddressError):
        checked_address("file:///data/s/../x", "sqlite:///x.db", Path("/data/s"))
