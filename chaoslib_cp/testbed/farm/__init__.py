"""The agent farm: one process that plays the telemetry agents of all pods on fake nodes.

On a fake node a pod is only an object. For each telemetry pod there the farm does what node and pod would do: asks
for the pod's token and profile as its node, then sends the agent's requests with the pod's identity over connections
of their own, until pod, node or deadline end it.
"""
