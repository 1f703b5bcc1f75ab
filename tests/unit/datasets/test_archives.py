"""Original files are found, downloaded over interrupted connections, verified and unpacked."""

import gzip
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hpconv.config import DataSettings
from hpconv.datasets import archives, download
from hpconv.datasets.archives import Archive
from hpconv.errors import UserError

CONTENT = bytes(range(256)) * 4000  # about 1 MB
CLOSED = "http://127.0.0.1:9"  # nothing listens on the discard port


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Files(ThreadingHTTPServer):
    """Serves CONTENT under any name, and records the requested ranges."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []
        self.breaks = 0  # number of responses that end early
        self.knows_ranges = True

    def archive(self, name: str = "faces.tgz", content: bytes = CONTENT) -> Archive:
        return Archive(name, f"http://127.0.0.1:{self.server_port}/{name}", sha256(content))


class Handler(BaseHTTPRequestHandler):
    server: Files

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.ranges.append(asked)
        if "missing" in self.path:
            self.send_error(404)
            return
        start = int(asked[6:-1]) if asked and self.server.knows_ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        end = len(CONTENT)
        if self.server.breaks:
            self.server.breaks -= 1
            end = start + (end - start) // 2
        self.wfile.write(CONTENT[start:end])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.0)
    with Files() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def find(folder: Path, *wanted: Archive) -> list[Path]:
    return archives.find_or_download(DataSettings("lfw", path=folder), wanted)


def test_download_resumes_after_an_interrupted_connection(files: Files, tmp_path: Path) -> None:
    files.breaks = 2
    [path] = find(tmp_path / "new", files.archive())
    assert path.read_bytes() == CONTENT
    assert files.ranges == [None, "bytes=512000-", "bytes=768000-"]
    assert list(path.parent.iterdir()) == [path]


def test_download_resumes_a_part_of_an_earlier_run(files: Files, tmp_path: Path) -> None:
    (tmp_path / "faces.tgz.part").write_bytes(CONTENT[:1000])
    [path] = find(tmp_path, files.archive())
    assert path.read_bytes() == CONTENT
    assert files.ranges == ["bytes=1000-"]


def test_complete_part_is_only_verified(files: Files, tmp_path: Path) -> None:
    (tmp_path / "faces.tgz.part").write_bytes(CONTENT)
    [path] = find(tmp_path, files.archive())
    assert path.read_bytes() == CONTENT


def test_server_without_range_support_sends_the_whole_file(files: Files, tmp_path: Path) -> None:
    files.breaks, files.knows_ranges = 1, False
    [path] = find(tmp_path, files.archive())
    assert path.read_bytes() == CONTENT


def test_part_of_a_failed_download_is_kept(files: Files, tmp_path: Path) -> None:
    files.breaks = download.ATTEMPTS
    with pytest.raises(UserError, match="was interrupted"):
        find(tmp_path, files.archive())
    [part] = tmp_path.iterdir()
    assert part.read_bytes() == CONTENT[: part.stat().st_size] != b""


def test_download_with_another_checksum_is_deleted(files: Files, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not the original faces.tgz: try again later"):
        find(tmp_path, files.archive(content=b"the original"))
    assert not list(tmp_path.iterdir())


def test_http_404_is_not_retried(files: Files, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="404"):
        find(tmp_path, files.archive("missing.tgz"))
    assert len(files.ranges) == 1


def test_one_message_names_all_missing_files_and_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.0)
    (tmp_path / "there.txt").write_bytes(CONTENT)
    names = ("there.txt", "pairs.txt", "faces.tgz")
    wanted = [Archive(name, f"{CLOSED}/{name}", sha256(CONTENT)) for name in names]
    with pytest.raises(UserError) as refusal:
        find(tmp_path, *wanted)
    message = str(refusal.value)
    for text in (str(tmp_path), "'data.path'", *(f"{a.name} from {a.url}" for a in wanted[1:])):
        assert text in message
    assert "there.txt" not in message


def test_default_folder_is_named_after_the_data_set() -> None:
    assert archives.archive_folder(DataSettings("svhn")) == Path("data/svhn")


def test_data_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "faces.tgz").write_bytes(CONTENT)
    with pytest.raises(UserError, match=r"'data\.path' .* write the folder"):
        archives.archive_folder(DataSettings("lfw", path=tmp_path / "faces.tgz"))


def test_file_with_another_checksum_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "faces.tgz"
    path.write_bytes(b"something else")
    with pytest.raises(UserError) as refusal:
        find(tmp_path, Archive("faces.tgz", CLOSED, sha256(CONTENT)))
    expected, found = (sha256(content)[7:] for content in (CONTENT, b"something else"))
    for text in (str(path), expected, found, "delete it"):
        assert text in str(refusal.value)


@pytest.mark.parametrize("name", ["a-ubyte.gz", "a-ubyte", "a.ubyte"])
@pytest.mark.parametrize("level", [None, 1, 9])
def test_checksum_of_a_gzipped_file_is_that_of_its_content(
    tmp_path: Path, name: str, level: int | None
) -> None:
    content = CONTENT if level is None else gzip.compress(CONTENT, level)
    (tmp_path / name).write_bytes(content)
    aliases = ("a-ubyte", "a.ubyte")
    [path] = find(tmp_path, Archive("a-ubyte.gz", CLOSED, sha256(CONTENT), aliases, gzipped=True))
    assert archives.open_plain_or_gzip(path).read() == CONTENT


def test_truncated_gzipped_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(CONTENT)[:-20])
    with pytest.raises(UserError, match=r"a\.gz cannot be read"):
        find(tmp_path, Archive("a.gz", CLOSED, sha256(CONTENT), gzipped=True))


def packed(path: Path, members: dict[str, bytes]) -> Archive:
    """An archive of these files."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return Archive(path.name, CLOSED, sha256(path.read_bytes()))


def test_archive_is_unpacked_once_beside_itself(tmp_path: Path) -> None:
    archive = packed(tmp_path / "faces.tgz", {"faces/a/1.jpg": b"one"})
    settings = DataSettings("lfw", path=tmp_path)
    folder = archives.unpacked_folder(settings, archive, "faces")
    assert (folder / "a" / "1.jpg").read_bytes() == b"one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces", "faces.tgz"]
    (tmp_path / "faces.tgz").unlink()
    assert archives.unpacked_folder(settings, archive, "faces") == folder
    assert archives.unpacked_folder(DataSettings("lfw", path=folder), archive, "faces") == folder


def test_archive_is_unpacked_in_a_folder_of_the_same_name(tmp_path: Path) -> None:
    home = tmp_path / "faces"
    settings = DataSettings("lfw", path=home)
    home.mkdir()
    archive = packed(home / "faces.tgz", {"faces/a/1.jpg": b"one"})
    assert archives.unpacked_folder(settings, archive, "faces") == home / "faces"


def test_archive_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    members = {"faces/1.jpg": b"one", "../../escaped": b"two"}
    home = tmp_path / "home"
    home.mkdir()
    archive = packed(home / "faces.tgz", members)
    with pytest.raises(UserError, match="cannot be unpacked"):
        archives.unpacked_folder(DataSettings("lfw", path=home), archive, "faces")
    assert [path.name for path in tmp_path.rglob("*")] == ["home", "faces.tgz"]


def test_archive_without_its_folder_is_refused(tmp_path: Path) -> None:
    archive = packed(tmp_path / "faces.tgz", {"other/1.jpg": b"one"})
    with pytest.raises(UserError, match="cannot be unpacked"):
        archives.unpacked_folder(DataSettings("lfw", path=tmp_path), archive, "faces")
    assert [path.name for path in tmp_path.iterdir()] == ["faces.tgz"]
