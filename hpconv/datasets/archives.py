"""Original files of a published data set: found or downloaded, verified and unpacked."""

import gzip
import hashlib
import logging
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from io import BufferedIOBase
from pathlib import Path
from tempfile import TemporaryDirectory

from hpconv.config import DataSettings
from hpconv.datasets.download import downloaded
from hpconv.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Archive:
    """A published file.

    Attributes:
        name: of the file.
        url: of the download.
        checksum: ``algorithm:hexadecimal`` of the file.
        aliases: other names that the file may have.
        gzipped: whether the checksum is that of the uncompressed content, because the file is
            distributed uncompressed and with different compression levels.
    """

    name: str
    url: str
    checksum: str
    aliases: tuple[str, ...] = ()
    gzipped: bool = False


def archive_folder(settings: DataSettings) -> Path:
    """The folder of a data set's files, which may not exist yet.

    Raises:
        UserError: when the path is a file.
    """
    folder = settings.path or Path("data", settings.name)
    if folder.is_file():
        raise UserError(
            f"config key 'data.path' is {folder}, a file: write the folder that holds it"
        )
    return folder


def find_or_download(settings: DataSettings, archives: Sequence[Archive]) -> list[Path]:
    """Paths of the verified files, in the order of archives; missing files are downloaded.

    Raises:
        UserError: when files are missing and cannot be downloaded, or one has another checksum.
    """
    folder = archive_folder(settings)
    missing = [archive for archive in archives if _existing_file(folder, archive) is None]
    for number, archive in enumerate(missing):
        try:
            _download(archive, folder / archive.name)
        except (OSError, HTTPException) as error:
            raise _missing_files_error(settings, missing[number:], error) from error
    paths = [_existing_file(folder, archive) or folder / archive.name for archive in archives]
    for path, archive in zip(paths, archives, strict=True):
        verify(path, archive.checksum, archive.gzipped)
    return paths


def unpacked_folder(settings: DataSettings, archive: Archive, folder: str) -> Path:
    """The folder that an archive holds; the archive is unpacked beside itself if necessary.

    Raises:
        UserError: when there is neither the folder nor an archive that can be unpacked.
    """
    if existing := _existing_folder(archive_folder(settings), archive, folder):
        return existing
    [path] = find_or_download(settings, [archive])
    log.info("unpacking %s", path)
    try:
        with TemporaryDirectory(dir=path.parent) as scratch, tarfile.open(path) as tar:
            tar.extractall(scratch, filter="data")
            return (Path(scratch) / folder).rename(path.parent / folder)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise UserError(f"{path} cannot be unpacked into {path.parent}: {error}") from error


def verify(path: Path, checksum: str, gzipped: bool = False) -> None:
    """Check a file's checksum, or that of its uncompressed content.

    Raises:
        UserError: when it differs, or the file cannot be read.
    """
    algorithm, _, expected = checksum.partition(":")
    try:
        with open_plain_or_gzip(path) if gzipped else path.open("rb") as file:
            new = partial(hashlib.new, algorithm, usedforsecurity=False)
            found = hashlib.file_digest(file, new).hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(
            f"{path} cannot be read ({error}): replace it by the original file"
        ) from error
    if found != expected:
        raise UserError(
            f"{path} is damaged or not the original file, its {algorithm} is {found} instead of "
            f"{expected}: delete it, or replace it by the original file"
        )


def open_plain_or_gzip(path: Path) -> BufferedIOBase:
    """Open a file for reading, uncompressed if it is gzipped; its name does not matter."""
    with path.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if gzipped else path.open("rb")


def _existing_file(folder: Path, archive: Archive) -> Path | None:
    places = (folder / name for name in (archive.name, *archive.aliases))
    return next((place for place in places if place.is_file()), None)


def _existing_folder(home: Path, archive: Archive, folder: str) -> Path | None:
    """The folder in home; or home itself, if it has that name and does not hold the archive."""
    if (home / folder).is_dir():
        return home / folder
    names = [path.name for path in home.iterdir()] if home.name == folder and home.is_dir() else []
    packed = any(name.startswith(archive.name) for name in names)
    return home if names and not packed else None


def _missing_files_error(
    settings: DataSettings, missing: Sequence[Archive], cause: Exception
) -> UserError:
    folder = archive_folder(settings).absolute()
    files = "".join(f"\n  {archive.name} from {archive.url}" for archive in missing)
    return UserError(
        f"{settings.name} needs files that could not be downloaded ({cause}). Put them into the "
        f"folder {folder}, or set config key 'data.path' to the folder that has them:{files}"
    )


def _download(archive: Archive, path: Path) -> None:
    with downloaded(archive.url, path) as unverified:
        try:
            verify(unverified, archive.checksum, archive.gzipped)
        except UserError:
            raise UserError(
                f"the download of {archive.url} is not the original {archive.name}: try again "
                f"later, or put the original file into the folder {path.parent.absolute()}"
            ) from None
