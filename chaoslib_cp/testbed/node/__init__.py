"""One node of the testbed: a real kubelet and the runtime it talks to, as one process tree.

Started as ``python -m chaoslib_cp.testbed.node CONFIG.json`` in the testbed's network namespace and in a mount
namespace of its own.
"""
