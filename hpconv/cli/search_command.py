"""The command that starts a search, for messages."""

from pathlib import Path


def search_command(
    configfile: Path, profile: Path = Path("profiles/local"), slots: str = ""
) -> str:
    """The call of Snakemake, also where the workflow is not in this folder.

    Args:
        slots: option for the number of jobs or cores, such as ``-j 10``.
    """
    import hpconv

    workflow = Path(hpconv.__file__).parents[1]
    snakefile = ""
    if not Path("Snakefile").exists() and (workflow / "Snakefile").exists():
        snakefile = f"--snakefile {workflow}/Snakefile "
        profile = profile if profile.exists() else workflow / profile
    options = f"{slots} " if slots else ""
    return f"snakemake {snakefile}--profile {profile} {options}--configfile {configfile}"
