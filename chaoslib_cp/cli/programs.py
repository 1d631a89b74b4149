"""``chaos cp programs``: get the programs a testbed is made of."""

from pathlib import Path

import click

from chaoslib_cp.cli import downloads, output


@click.command("programs")
@downloads.elsewhere_options
@output.json_option
def command(archives: tuple[Path, ...], mirrors: tuple[str, ...], as_json: bool) -> None:
    """Find, download or build etcd, Kubernetes, CoreDNS and KWOK.

    `up` does this itself; here it can be done ahead of time, for example while an image is made. Order: the folder
    named by CHAOSLIB_CP_BIN or KUBEBUILDER_ASSETS, the cache, official releases (an archive or a mirror that you name,
    then their official addresses; all by pinned checksums), a build from source (modules are pinned).
    """
    from chaoslib_cp.testbed.programs import find_or_get_programs

    programs = find_or_get_programs(output.say, elsewhere=downloads.elsewhere(archives, mirrors))
    result = {"folder": str(programs.folder), "origin": programs.origin}
    output.show(result, as_json, lambda: output.rows(result))
