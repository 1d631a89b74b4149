"""What can end the load of a rollout before a rollback does, in the words of activities and of results."""

from typing import Final

DELETE_LANDED: Final = "delete landed"
AGENT_DEADLINE: Final = "agent deadline"
