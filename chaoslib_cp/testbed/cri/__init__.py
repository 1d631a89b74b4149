"""A container runtime for kubelets that starts each container as a local process under bubblewrap.

It serves the Container Runtime Interface (``api.proto``) on a unix socket. What it cannot do it refuses with an error
that the kubelet puts into the pod's events; it never pretends.

``api_pb2.py`` is generated from ``api.proto`` (``make proto``) and committed, so that no compiler is needed.
"""
