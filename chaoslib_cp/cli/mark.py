"""``chaos cp mark``: an owner declares a cluster a test cluster."""

from typing import TYPE_CHECKING, Any

import click

from chaoslib_cp.cli import output
from chaoslib_cp.errors import TargetRefused

if TYPE_CHECKING:
    from chaoslib_cp.cluster.call import Cluster

_MAX_HOURS = 24 * 365


@click.command("mark")
@click.option("--owner", required=True, help="Who answers for the cluster: a name or an address.")
@click.option("--cluster-uid", default="", help="The UID of its kube-system namespace; leave it out to be told.")
@click.option("--context", default="admin", show_default=True, help="Context of the file that KUBECONFIG names.")
@click.option("--hours", type=click.IntRange(1, _MAX_HOURS), default=24, show_default=True, help="How long it counts.")
@click.option("--remove", is_flag=True, help="Take the mark away instead.")
@output.json_option
def command(owner: str, cluster_uid: str, context: str, hours: int, remove: bool, as_json: bool) -> None:
    """Declare a cluster a test cluster: experiments may break it.

    Without the mark every experiment refuses to start. It is the ConfigMap chaoslib-cp-test-cluster in kube-system,
    it names one cluster, and it expires. Run this first without --cluster-uid: nothing is changed, and you read which
    cluster it would be. A testbed is marked by `up`.
    """
    from chaoslib_cp.clock import SystemClock
    from chaoslib_cp.cluster.connect import open_cluster

    with open_cluster({"admin_context": context}, None, identity="admin") as cluster:
        confirm(cluster, cluster_uid, owner)
        expires_epoch_s = SystemClock().epoch_s() + hours * 3600
        result = _replace(cluster, None if remove else (cluster_uid, owner, expires_epoch_s))
    output.show(result, as_json, lambda: output.rows(result))


def confirm(cluster: "Cluster", cluster_uid: str, owner: str) -> None:
    """Make sure that the person has seen which cluster this is.

    Raises:
        TargetRefused: The UID was not given, or is another cluster's; nothing was changed.
    """
    namespace = cluster.get("/api/v1/namespaces/kube-system") or {}
    actual = str((namespace.get("metadata") or {}).get("uid") or "")
    if not actual:
        raise TargetRefused(f"{cluster.server} shows no namespace kube-system; nothing was changed; check --context")
    if cluster_uid == actual:
        return
    said = f"--cluster-uid says {cluster_uid}" if cluster_uid else "you have not confirmed it"
    raise TargetRefused(
        f"context {cluster.context} is cluster {actual} at {cluster.server}, but {said}; nothing was changed; if "
        f"experiments may break this one, run: chaos cp mark --context {cluster.context} --owner '{owner}' "
        f"--cluster-uid {actual}"
    )


def _replace(cluster: "Cluster", mark: tuple[str, str, float] | None) -> dict[str, Any]:
    """Delete the old mark, then create the new one, if any: a mark in between would be nobody's."""
    from chaoslib_cp.cluster.marker import MARKER_NAMESPACE, MARKER_PATH, marker_manifest

    answer = cluster.call("DELETE", MARKER_PATH)
    if answer.status != 404:
        cluster.expect_success(answer, "delete the old mark")
    if mark is not None:
        created = cluster.call("POST", f"/api/v1/namespaces/{MARKER_NAMESPACE}/configmaps", body=marker_manifest(*mark))
        cluster.expect_success(created, "create the mark")
        return {"cluster_uid": mark[0], "server": cluster.server, "owner": mark[1], "expires_epoch_s": int(mark[2])}
    return {"server": cluster.server, "removed": answer.status != 404}
