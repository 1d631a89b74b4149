"""``chaos cp programs``: get the programs a testbed is made of."""

import click

from chaoslib_cp.cli import output


@click.command("programs")
@output.json_option
def command(as_json: bool) -> None:
    """Find, download or build etcd, Kubernetes, CoreDNS and KWOK.

    `up` does this itself; here it can be done ahead of time, for example while an image is made. Order: the folder
    named by CHAOSLIB_CP_BIN or KUBEBUILDER_ASSETS, the cache, official releases (checksums are pinned), a build from
    source (modules are pinned).
    """
    from chaoslib_cp.testbed.programs import find_or_get_programs

    programs = find_or_get_programs(output.say)
    result = {"folder": str(programs.folder), "origin": programs.origin}
    output.show(result, as_json, lambda: output.rows(result))
