"""``chaos cp mark``: an owner declares a cluster a test cluster."""

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from chaoslib_cp.cli import output
from chaoslib_cp.cluster.gate.marker import SIGNS
from chaoslib_cp.errors import TargetRefused

if TYPE_CHECKING:
    from chaoslib_cp.cluster.door.call import Cluster
    from chaoslib_cp.cluster.gate.marker import Marker

_MAX_HOURS = 24 * 365
_TIMEOUT_S = 10.0


@click.command("mark")
@click.option("--owner", required=True, help="Who answers for the cluster: a name or an address.")
@click.option("--cluster-uid", default="", help="The UID of its kube-system namespace; leave it out to be told.")
@click.option("--context", default="admin", show_default=True, help="Context of the file that KUBECONFIG names.")
@click.option("--hours", type=click.IntRange(1, _MAX_HOURS), default=24, show_default=True, help="How long it counts.")
@click.option(
    "--accept",
    type=click.Choice(SIGNS),
    multiple=True,
    help="A sign of production that may be there all the same; may be given several times.",
)
@click.option("--remove", is_flag=True, help="Take the mark away instead.")
@output.json_option
def command(  # noqa: PLR0913 - one for each option
    owner: str, cluster_uid: str, context: str, hours: int, accept: tuple[str, ...], remove: bool, as_json: bool
) -> None:
    """Declare a cluster a test cluster: experiments may break it.

    Without the mark every experiment refuses to start. It is the ConfigMap chaoslib-cp-test-cluster in kube-public,
    it names one cluster, and it expires. Run this first without --cluster-uid: nothing is changed, and you read which
    cluster it would be. A testbed is marked by `up`.
    """
    from chaoslib_cp.clock import SystemClock
    from chaoslib_cp.cluster.door.connect import open_cluster
    from chaoslib_cp.cluster.gate.marker import Marker
    from chaoslib_cp.settings import read_settings

    if not owner.strip():
        raise click.BadParameter(
            "it is blank; nothing was changed; say who answers for the cluster", param_hint="--owner"
        )
    asked = Asked(context, owner.strip(), hours, accept, remove)
    with open_cluster(read_settings({"admin_context": context}), "admin") as cluster:
        confirm(cluster, cluster_uid, asked)
        marker = Marker(cluster_uid, asked.owner, SystemClock().epoch_s() + hours * 3600, frozenset(accept))
        result = _replace(cluster, None if remove else marker)
    output.show(result, as_json, lambda: told(result, asked))


@dataclass(frozen=True)
class Asked:
    """What a person asked for, all but the UID; attributes are the options of that name."""

    context: str
    owner: str
    hours: int
    accept: tuple[str, ...]
    remove: bool

    def command(self, cluster_uid: str, signs: Collection[str] = ()) -> str:
        """The command that does it to this cluster, fit to be pasted; ``signs`` are accepted as well."""
        lasting = [f"--hours {self.hours}", *(f"--accept {kind}" for kind in dict.fromkeys([*self.accept, *signs]))]
        return " ".join([
            "chaos cp mark",
            f"--context {shlex.quote(self.context)}",
            f"--owner {shlex.quote(self.owner)}",
            f"--cluster-uid {shlex.quote(cluster_uid)}",
            *(["--remove"] if self.remove else lasting),
        ])  # fmt: skip


def told(result: Mapping[str, Any], asked: Asked) -> str:
    """Say what a mark means, until when it counts, and how to take it back.

    Args:
        result: What was done: the mark, or whether there was one to remove.
        asked: What was asked for.
    """
    if "removed" in result:
        had = "is no test cluster any more" if result["removed"] else "had no mark; nothing was changed"
        return f"The cluster at {result['server']} {had}: experiments refuse to start on it."
    end = datetime.fromtimestamp(result["expires_epoch_s"], UTC)
    local = f"{end.astimezone():%Y-%m-%d %H:%M %Z}"
    lines = [
        f"Cluster {result['cluster_uid']} at {result['server']} is a test cluster now: experiments may break it.",
        f"The mark counts until {local} ({end:%Y-%m-%d %H:%M} UTC); after that they refuse to start. "
        f"{asked.owner} answers for the cluster.",
        f"Signs of production that may be there all the same: {result['accepted_signs']}.",
        f"To take it back: {replace(asked, remove=True).command(result['cluster_uid'])}",
    ]
    return "\n".join(lines)


def confirm(cluster: "Cluster", cluster_uid: str, asked: Asked) -> None:
    """Make sure that the person has seen which cluster this is.

    Raises:
        TargetRefused: The UID was not given, or is another cluster's; nothing was changed.
    """
    from chaoslib_cp.cluster.door.same_cluster import CLUSTER_UID_PATH
    from chaoslib_cp.cluster.gate.production import production_signs
    from chaoslib_cp.settings import MAX_NODES

    namespace = cluster.get(CLUSTER_UID_PATH) or {}
    actual = str((namespace.get("metadata") or {}).get("uid") or "")
    if not actual:
        raise TargetRefused(f"{cluster.server} shows no namespace kube-system; nothing was changed; check --context")
    if cluster_uid == actual:
        return
    signs = {}
    if not asked.remove:
        signs = {sign.kind: sign.words for sign in production_signs(cluster, MAX_NODES, _TIMEOUT_S)}
    looks = f"; it looks like production: {'; '.join(signs.values())}" if signs else ""
    said = f"--cluster-uid says {cluster_uid}" if cluster_uid else "you have not confirmed it"
    intent = "may not break this one any more" if asked.remove else "may break this one"
    raise TargetRefused(
        f"context {cluster.context} is cluster {actual} at {cluster.server}, but {said}; nothing was changed{looks}; "
        f"if experiments {intent}, run: {asked.command(actual, signs)}"
    )


def _replace(cluster: "Cluster", mark: "Marker | None") -> dict[str, Any]:
    """Delete the old mark, then create the new one, if any: a mark in between would be nobody's."""
    from chaoslib_cp.cluster.gate.marker import MARKER_NAMESPACE, MARKER_PATH, marker_manifest

    answer = cluster.call("DELETE", MARKER_PATH)
    if answer.status != 404:
        cluster.expect_success(answer, "delete the old mark")
    if mark is not None:
        manifest = marker_manifest(mark.cluster_uid, mark.owner, mark.expires_epoch_s, mark.accepted_signs)
        created = cluster.call("POST", f"/api/v1/namespaces/{MARKER_NAMESPACE}/configmaps", body=manifest)
        cluster.expect_success(created, "create the mark")
        return {
            "cluster_uid": mark.cluster_uid,
            "server": cluster.server,
            "owner": mark.owner,
            "expires_epoch_s": int(mark.expires_epoch_s),
            "accepted_signs": ",".join(sorted(mark.accepted_signs)) or "none",
        }
    return {"server": cluster.server, "removed": answer.status != 404}
