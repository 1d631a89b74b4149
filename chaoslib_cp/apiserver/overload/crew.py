"""The virtual nodes of one load: how many there are, and as whom each of them asks."""

from collections.abc import Callable

from chaoslib_cp.engine.load.channel import Credentials
from chaoslib_cp.engine.load.runner import LoadRunner
from chaoslib_cp.engine.load.virtual_nodes import node_name, place_of


class Crew:
    """Virtual nodes that come and go, the latest first.

    Args:
        runner: Plays them.
        credentials: Gives the credentials of a virtual node by its number, from 0.
        namespace: Of the ServiceAccounts that are stood for.

    Attributes:
        runner: Plays them.
        nodes: How many there should be now.
        most: How many there were at most.
    """

    def __init__(self, runner: LoadRunner, credentials: Callable[[int], Credentials], namespace: str) -> None:
        self.runner = runner
        self.nodes = self.most = 0
        self._credentials = credentials
        self._namespace = namespace

    def resize(self, nodes: int) -> None:
        """Let there be so many from now on; those that are added begin at one moment."""
        new = range(self.nodes, nodes)
        self.runner.add_agents(
            {node_name(number): self._credentials(number) for number in new},
            {node_name(number): place_of(number, self._namespace) for number in new},
        )
        for number in range(nodes, self.nodes):
            self.runner.remove_agent(node_name(number))
        self.nodes, self.most = nodes, max(nodes, self.most)

    @property
    def has_lost_some(self) -> bool:
        """Whether some ended by themselves: their budget of requests or bytes, or their time, is used up."""
        return self.runner.running < self.nodes

    def renew_credentials(self) -> None:
        """Let each ask with the credentials as they are now, from its next request on."""
        for number in range(self.nodes):
            self.runner.replace_credentials(node_name(number), self._credentials(number))
