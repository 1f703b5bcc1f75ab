"""The original files of a data set: found, fetched where a network allows it, and verified."""

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

from hpconv.datasets.download import downloaded
from hpconv.datasets.settings import DataSettings
from hpconv.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Archive:
    """A file as it was published.

    Args:
        checksum: ``algorithm:hexadecimal`` of the file.
        aliases: other names under which it circulates.
        gzipped: whether it circulates uncompressed, too, and compressed in several ways, so that
            the checksum is of what is in it.
    """

    name: str
    url: str
    checksum: str
    aliases: tuple[str, ...] = ()
    gzipped: bool = False


def archive_folder(settings: DataSettings) -> Path:
    """The folder of a data set's files, which need not be there.

    Raises:
        UserError: when it is a file.
    """
    folder = settings.path or Path("data", settings.name)
    if folder.is_file():
        raise UserError(f"config key 'data.path' is {folder}, a file: name the folder it is in")
    return folder


def find_or_download(settings: DataSettings, archives: Sequence[Archive]) -> list[Path]:
    """Verified files, in the order of archives; those that are missing are fetched.

    Raises:
        UserError: naming the files that are missing and cannot be fetched, or one that is not
            what was published.
    """
    folder = archive_folder(settings)
    missing = [archive for archive in archives if _present(folder, archive) is None]
    for number, archive in enumerate(missing):
        try:
            _fetch(archive, folder / archive.name)
        except (OSError, HTTPException) as error:
            raise _missing_files_error(settings, missing[number:], error) from error
    paths = [_present(folder, archive) or folder / archive.name for archive in archives]
    for path, archive in zip(paths, archives, strict=True):
        verify(path, archive.checksum, archive.gzipped)
    return paths


def unpacked_folder(settings: DataSettings, archive: Archive, folder: str) -> Path:
    """The folder that an archive holds: where it is already, or else unpacked beside the archive.

    Raises:
        UserError: when there is neither, or the archive cannot be unpacked.
    """
    there = _unpacked(archive_folder(settings), archive, folder)
    if there is not None:
        return there
    [path] = find_or_download(settings, [archive])
    log.info("unpacking %s", path)
    try:
        with TemporaryDirectory(dir=path.parent) as scratch, tarfile.open(path) as tar:
            tar.extractall(scratch, filter="data")
            return (Path(scratch) / folder).rename(path.parent / folder)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise UserError(f"{path} cannot be unpacked beside itself: {error}") from error


def verify(path: Path, checksum: str, gzipped: bool = False) -> None:
    """Refuse a file, or what is in a gzipped one, that has another checksum.

    Raises:
        UserError: also when there is no such file.
    """
    algorithm, _, expected = checksum.partition(":")
    try:
        with open_plain_or_gzip(path) if gzipped else path.open("rb") as file:
            new = partial(hashlib.new, algorithm, usedforsecurity=False)
            found = hashlib.file_digest(file, new).hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read ({error}): delete it, get the original") from error
    if found != expected:
        raise UserError(
            f"{path} is damaged or not the original, its {algorithm} is {found} instead of "
            f"{expected}: delete it, get the original"
        )


def open_plain_or_gzip(path: Path) -> BufferedIOBase:
    """A file's content, whether it is gzipped or not, and whatever its name says."""
    with path.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if gzipped else path.open("rb")


def _present(folder: Path, archive: Archive) -> Path | None:
    places = (folder / name for name in (archive.name, *archive.aliases))
    return next((place for place in places if place.is_file()), None)


def _unpacked(home: Path, archive: Archive, folder: str) -> Path | None:
    """The folder in home; or home, if it has that name and no archive that is to be unpacked."""
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


def _fetch(archive: Archive, path: Path) -> None:
    with downloaded(archive.url, path) as unverified:
        try:
            verify(unverified, archive.checksum, archive.gzipped)
        except UserError:
            raise UserError(
                f"what {archive.url} gave is not the original {archive.name}: try again later, or "
                f"put the original into the folder {path.parent.absolute()}"
            ) from None
