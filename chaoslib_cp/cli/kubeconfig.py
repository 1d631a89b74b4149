"""``chaos cp kubeconfig``: one file with the identities that a run needs, from one administrator's."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaoslib_cp.cli import output

if TYPE_CHECKING:
    from chaoslib_cp.cluster.credentials.source import Source
    from chaoslib_cp.cluster.credentials.who import Credential
    from chaoslib_cp.cluster.door.flow import Flow, FlowNames

_MAX_HOURS = 24 * 365
_SHORTER_S = 600.0  # a signer dates certificates back by some minutes


@click.command("kubeconfig")
@click.option("--context", default="", show_default="its current one", help="Who makes them: a context of KUBECONFIG.")
@click.option("--output", "path", type=click.Path(path_type=Path), required=True, help="The file to write.")
@click.option("--force", is_flag=True, help="Replace that file if it exists.")
@click.option("--break-glass-context", default="", help="Context of a member of system:masters, to be copied.")
@click.option("--break-glass-file", default="", help="The kubeconfig it is in, if another, such as super-admin.conf.")
@click.option("--admin-group", default="", show_default="one that is cluster-admin", help="The administrator's group.")
@click.option("--hours", type=click.IntRange(1, _MAX_HOURS), default=24, show_default=True, help="How long they count.")
@click.option("--tokens", is_flag=True, help="Tokens of ServiceAccounts, where no client certificates are signed.")
@output.json_option
def command(  # noqa: PLR0913 - one for each option
    context: str,
    path: Path,
    force: bool,
    break_glass_context: str,
    break_glass_file: str,
    admin_group: str,
    hours: int,
    tokens: bool,
    as_json: bool,
) -> None:
    """Make one kubeconfig with the contexts runner, observer, admin and break-glass.

    The credentials are made by a context of the file that KUBECONFIG names. By default they are client certificates:
    keys are made here and stay here, the requests are approved and deleted again. Break-glass cannot be made, it is
    copied from a context of yours, and nothing else of your files is. A testbed has such a file already.
    """
    from chaoslib_cp.stop_signals import stop_signals_raise
    from chaoslib_cp.waits import telling

    asked = Asked(context, path, force, break_glass_context, break_glass_file, admin_group, hours * 3600, tokens)
    asked.refuse()
    with stop_signals_raise(), telling(output.say), ExitStack() as held:
        result = _make(asked, held)
    output.show(result, as_json, lambda: told(result))


@dataclass(frozen=True)
class Asked:
    """What a person asked for; attributes are the options of that name."""

    context: str
    output: Path
    force: bool
    break_glass_context: str
    break_glass_file: str
    admin_group: str
    lasts_s: int
    tokens: bool

    def refuse(self) -> None:
        """Refuse what can be known to be wrong from the options alone.

        Raises:
            BadParameter: Nothing was changed.
        """
        from chaoslib_cp.cluster.credentials.who import NEVER_SIGNED

        if self.tokens and self.admin_group:
            words = "a ServiceAccount is in no group of yours; with --tokens the rights come with the manifests"
            raise click.BadParameter(f"{words}; nothing was changed", param_hint="--admin-group")
        if self.admin_group.strip() == NEVER_SIGNED:
            words = f"{NEVER_SIGNED} is exempt from priority and fairness, and the API server signs nobody into it"
            raise click.BadParameter(f"{words}; nothing was changed", param_hint="--admin-group")


def _make(asked: Asked, held: ExitStack) -> dict[str, Any]:
    """Do it all; clusters that are opened are closed by ``held``."""
    from chaoslib_cp.cluster.credentials.file import kubeconfig_content, refuse_output, write_whole
    from chaoslib_cp.cluster.credentials.source import open_source

    maker = open_source("admin", "", asked.context, "--context")
    held.callback(maker.cluster.close)
    by = f"context {maker.cluster.context!r} of {maker.cluster.kubeconfig}"
    output.say(f"{by} makes the credentials, at {maker.cluster.server}")
    _refuse_production(maker.cluster.context)
    refuse_output(asked.output, asked.force, [maker.cluster.kubeconfig, *filter(None, [asked.break_glass_file])])
    warnings: list[str] = []
    names = _names(maker, warnings)
    rescue = _break_glass(asked, maker, held, warnings)
    credentials, left = _credentials(asked, maker)
    servers = dict.fromkeys(credentials, maker.server_entry)
    if rescue:
        credentials["break-glass"], servers["break-glass"] = rescue.user, rescue.server_entry
    content = kubeconfig_content(credentials, servers, maker.document)
    with _telling_what_is_left(left, warnings):
        flows = _look(content, asked.output, credentials, names)
        write_whole(asked.output, content, asked.force)
    warnings += _warnings(flows, credentials, asked)
    return {
        "output": str(asked.output.absolute()),
        "context": maker.cluster.context,
        "server": maker.cluster.server,
        "identities": {name: _shown(flow, credentials[name]) for name, flow in flows.items()},
        "warnings": warnings,
    }


def _refuse_production(context: str) -> None:
    """Refuse a context that says production: under the new names no gate would see that any more.

    Raises:
        TargetRefused: Its name says so; nothing was changed.
    """
    from chaoslib_cp.cluster.gate.production import sounds_like_production
    from chaoslib_cp.errors import TargetRefused

    if sounds_like_production(context):
        raise TargetRefused(
            f"the name of context {context} says production, and the contexts of the new file would no longer say it; "
            f"nothing was changed; if it is a test cluster: kubectl config rename-context {shlex.quote(context)} NEW"
        )


def _names(maker: "Source", warnings: list[str]) -> "FlowNames":
    from chaoslib_cp.cluster.door.flow import UNNAMED, flow_names
    from chaoslib_cp.errors import TargetRefused

    try:
        return flow_names(maker.cluster)
    except TargetRefused as error:
        warnings.append(f"FlowSchemas have no names here, and nobody knows which are exempt: {error}")
        return UNNAMED


def _break_glass(asked: Asked, maker: "Source", held: ExitStack, warnings: list[str]) -> "Source | None":
    """Open the context to copy, and make sure that it leads to the same cluster."""
    from chaoslib_cp.cluster.credentials.source import open_source
    from chaoslib_cp.cluster.door.call import DEFAULT_TIMEOUT_S
    from chaoslib_cp.cluster.door.same_cluster import CLUSTER_UID_PATH
    from chaoslib_cp.cluster.gate.identities import refuse_elsewhere

    if not asked.break_glass_context and not asked.break_glass_file:
        warnings.append(
            "no context break-glass: what needs it is refused or not measured; name a member of system:masters with "
            "--break-glass-context, on kubeadm with --break-glass-file super-admin.conf"
        )
        return None
    found = open_source("break-glass", asked.break_glass_file, asked.break_glass_context, "--break-glass-context")
    held.callback(found.cluster.close)
    system = maker.cluster.get(CLUSTER_UID_PATH) or {}
    uid = str((system.get("metadata") or {}).get("uid") or "")
    refuse_elsewhere(found.cluster, maker.cluster, uid, DEFAULT_TIMEOUT_S)
    return found


def _credentials(asked: Asked, maker: "Source") -> "tuple[dict[str, Credential], list[str]]":
    """Make the credentials; also name the certificate requests that could not be deleted."""
    from chaoslib_cp.cluster.credentials.who import MADE, account_name

    if asked.tokens:
        from chaoslib_cp.cluster.credentials.tokens import tokens

        return dict(zip(MADE, tokens(maker.cluster, MADE, asked.lasts_s), strict=True)), []
    from chaoslib_cp.cluster.credentials.certificates import key_and_request
    from chaoslib_cp.cluster.credentials.rights import admin_group
    from chaoslib_cp.cluster.credentials.signing import signed

    group = asked.admin_group.strip() or admin_group(maker.cluster)
    requests = [key_and_request(account_name(name), group if name == "admin" else "") for name in MADE]
    made, left = signed(maker.cluster, requests, asked.lasts_s)
    return dict(zip(MADE, made, strict=True)), left


@contextmanager
def _telling_what_is_left(names: Sequence[str], warnings: list[str]) -> Iterator[None]:
    """Name certificate requests that could not be deleted: in a warning, or in the failure of the block."""
    from chaoslib_cp.cluster.credentials.signing import words_of_left
    from chaoslib_cp.errors import ControlPlaneError, UndoFailed

    try:
        yield
    except ControlPlaneError as error:
        if names:
            raise UndoFailed(f"{error}; {words_of_left(names)}") from error
        raise
    if names:
        warnings.append(words_of_left(names))


def _look(
    content: Mapping[str, Any], path: Path, credentials: "Mapping[str, Credential]", names: "FlowNames"
) -> "dict[str, Flow]":
    """Ask the API server who each identity is, before the file is written."""
    from chaoslib_cp.cluster.door.connect import open_context
    from chaoslib_cp.cluster.door.flow import flow_of
    from chaoslib_cp.errors import TargetRefused

    document = {"extensions": [], **{key: content[key] for key in ("clusters", "contexts", "users")}}
    found = {}
    for identity, credential in credentials.items():
        with open_context(document, str(path.absolute()), identity, identity) as cluster:
            try:
                flow = flow_of(cluster, names)
            except TargetRefused as error:
                raise TargetRefused(
                    f"the API server does not take what was made for {identity}: {error}; no file was written"
                ) from error
        if credential.user and flow.user and flow.user != credential.user:
            raise TargetRefused(
                f"the API server takes {identity} for user {flow.user!r} and not for {credential.user}; no file was "
                "written; what stands between it and here must let client certificates through, or use --tokens"
            )
        found[identity] = flow
    return found


def _warnings(flows: "Mapping[str, Flow]", credentials: "Mapping[str, Credential]", asked: Asked) -> list[str]:
    from chaoslib_cp.clock import SystemClock
    from chaoslib_cp.cluster.door.flow import flow_warnings

    warnings = flow_warnings(flows)
    ends_s = SystemClock().epoch_s() + asked.lasts_s - _SHORTER_S
    early = [
        f"{name} ends at {_time(one.until_epoch_s)}"
        for name, one in credentials.items()
        if one.until_epoch_s is not None and one.until_epoch_s < ends_s
    ]
    if early:
        warnings.append(f"the cluster gave less time than was asked for: {', '.join(early)}")
    if asked.tokens:
        warnings.append(
            "these are ServiceAccounts: their requests are in other flows than a person's, so a lock-out of this "
            "admin is not that of an ordinary administrator"
        )
    return warnings


def _shown(flow: "Flow", credential: "Credential") -> dict[str, Any]:
    return {
        "user": flow.user,
        "groups": list(flow.groups),
        "flow_schema": flow.flow_schema,
        "priority_level": flow.priority_level,
        "is_exempt": flow.is_exempt,
        "until_epoch_s": credential.until_epoch_s,
    }


def told(result: Mapping[str, Any]) -> str:
    """Say who each identity is, in which flow its requests are, until when it counts, and what to do next.

    Args:
        result: What was made.
    """
    rows = {}
    for identity, one in result["identities"].items():
        groups = ", ".join(group for group in one["groups"] if group != "system:authenticated")
        who = (one["user"] or "a user that the server does not name") + (f" ({groups})" if groups else "")
        flow = f"FlowSchema {one['flow_schema'] or 'none'}, priority level {one['priority_level'] or 'none'}"
        end = "" if one["until_epoch_s"] is None else f", until {_time(one['until_epoch_s'])}"
        rows[identity] = f"{who}; {flow}{end}"
    warnings = [f"Warning: {warning}" for warning in result["warnings"]]
    file = result["output"]
    last = [f"Written, for you alone to read: {file}", f"To use it: export KUBECONFIG={shlex.quote(file)}"]
    return "\n".join([output.rows(rows), *warnings, *last])


def _time(epoch_s: float) -> str:
    return f"{datetime.fromtimestamp(epoch_s, UTC):%Y-%m-%d %H:%M} UTC"
